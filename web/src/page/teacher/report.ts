/** The lesson's report: what the server answers, and what is read from it. */
import { report } from '../shared/api';

export interface StudentFigures {
  student_id: string;
  name: string;
  attended_s: number;
  notes: number;
  turns: number;
  within_50_ms_share: number | null;
  offset_median_ms: number | null;
  assigned_beats: number;
  assigned_beats_hit: number;
}

export interface ReflectionRow {
  id: string;
  student_id: string;
  reflection_text: string;
  mood: number | null;
}

export interface LessonReport {
  durationS: number;
  notes: number;
  students: StudentFigures[];
  /** From 0, one voice alone, to 1, all alike; null where nothing was to be compared. */
  evenness: number | null;
  noTurn: string[];
  reflections: ReflectionRow[];
  /** Not yet in the report. */
  waiting: boolean;
  missing: number;
}

interface ParticipationAnswer {
  session: { duration_s: number };
  students: StudentFigures[];
  events_missing: number;
  events_waiting: number | null;
}

interface AnalyticsAnswer {
  notes: number;
  evenness: number | null;
  no_turn: { name: string }[];
}

/** Everything about the room's lesson that goes on, or else its latest. */
export async function lessonReport(code: string): Promise<LessonReport> {
  const [participation, analytics, reflections] = await Promise.all([
    report<ParticipationAnswer>(code, 'participation'),
    report<AnalyticsAnswer>(code, 'analytics'),
    report<{ reflections: ReflectionRow[] }>(code, 'reflections'),
  ]);
  return {
    durationS: participation.session.duration_s,
    notes: analytics.notes,
    students: participation.students,
    evenness: analytics.evenness,
    noTurn: analytics.no_turn.map(({ name }) => name),
    reflections: reflections.reflections,
    waiting: participation.events_waiting !== 0,
    missing: participation.events_missing,
  };
}

/** Below this nobody hears early from late. */
const ON_THE_BEAT_MS = 10;

/** Whether the notes came early, late or on the beat, and by how much. */
export function offsetOf(ms: number): { kind: 'early' | 'late' | 'on'; ms: number } {
  const rounded = Math.round(Math.abs(ms));
  if (rounded <= ON_THE_BEAT_MS) return { kind: 'on', ms: rounded };
  return { kind: ms < 0 ? 'early' : 'late', ms: rounded };
}

/** With fewer notes than this a word about how they were shared would say too much. */
const NOTES_TO_SHARE = 20;

/** How the voices were shared, in words; null where there was little to share. */
export function sharing(evenness: number | null, notes: number): 'even' | 'somewhat' | 'uneven' | null {
  if (evenness === null || notes < NOTES_TO_SHARE) return null;
  if (evenness >= 0.9) return 'even';
  return evenness >= 0.7 ? 'somewhat' : 'uneven';
}
