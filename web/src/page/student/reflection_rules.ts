/** What a reflection may be, as the server takes it. */
import type { Reflection } from '../../downbeat/types';

export const TEXT_MAX = 2_000;
export const TYPES = ['pre_session', 'post_session', 'exit_ticket'] as const;
export const COMPETENCIES = [
  'self_awareness', 'self_management', 'social_awareness', 'relationship_skills', 'responsible_decision_making',
] as const;
export const MOODS = [1, 2, 3, 4, 5] as const;

/** What is in the form. */
export interface Draft {
  text: string;
  type: Reflection['reflection_type'];
  competency: NonNullable<Reflection['competency']> | null;
  mood: NonNullable<Reflection['mood']> | null;
}

/** In the middle of a lesson it is a note on the way; a child changes it if it is the first or the last thing. */
export const emptyDraft: Draft = { text: '', type: 'exit_ticket', competency: null, mood: null };

/** What was written in this visit, and under which id it was sent. */
export interface Written {
  draft: Draft;
  id: string | null;
  /** Whether the draft is as it was sent. */
  sent: boolean;
}

export const NOTHING_WRITTEN: Written = { draft: emptyDraft, id: null, sent: false };

/** Characters as the server counts them: one for each code point, whatever a language makes of it. */
export const characters = (text: string): number => [...text].length;

export type Problem = 'empty' | 'too_long' | null;

export function problemOf({ text }: Draft): Problem {
  if (text.trim() === '') return 'empty';
  return characters(text.trim()) > TEXT_MAX ? 'too_long' : null;
}

/** What is sent: only what was chosen, and the id of what was sent before. */
export function toReflection(draft: Draft, id: string | null): Reflection {
  return {
    ...(id !== null && { id }),
    reflection_text: draft.text.trim(),
    reflection_type: draft.type,
    ...(draft.competency && { competency: draft.competency }),
    ...(draft.mood && { mood: draft.mood }),
  };
}
