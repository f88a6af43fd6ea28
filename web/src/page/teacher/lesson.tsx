import { useCallback, useState } from 'preact/hooks';
import type { Room } from '../../downbeat';
import { ConnectionBanner, Confirm, Dialog, Ended, Notice, attempt, useRoomState } from '../shared';
import { teacherToken } from '../shared/api';
import { Header, SoundButton } from '../shared/header';
import { KeyboardIcon, ReportIcon, ScreenIcon } from '../shared/icons';
import { studentsOf } from '../shared/people';
import { inFragment } from '../shared/session';
import { useJoined } from '../shared/use_joined';
import { useSound } from '../shared/use_sound';
import { useWords } from '../words';
import { ConductPanel, type Conducting } from './conduct_panel';
import { HelpDialog } from './help_dialog';
import { InvitePanel } from './invite_panel';
import { ParticipationPanel } from './participation_panel';
import { PatternPanel } from './pattern_panel';
import { ReportView } from './report_view';
import { RosterPanel, allMuted } from './roster_panel';
import { useShortcuts, type Action } from './shortcuts';
import { useTempo } from './use_tempo';

const HOME = '/?role=teacher';

/** Opens the projector's page with this teacher's token: in the fragment, which no server and no log ever sees. */
async function openProjector(code: string): Promise<void> {
  const token = await teacherToken();
  open(`/?role=projector&room=${code}#${inFragment(token)}`, '_blank', 'noopener');
}

interface LessonProps {
  code: string;
  onLeave: () => void;
}

/** One room, from joining it to the report. */
export function Lesson({ code, onLeave }: LessonProps) {
  const room = useJoined(code);
  const { common } = useWords();
  if (room) return <JoinedLesson room={room} code={code} onLeave={onLeave} />;
  return (
    <>
      <Header home={HOME} />
      <main id="content" class="centre"><p class="hint" role="status">{common.loading}</p></main>
    </>
  );
}

function JoinedLesson({ room, code, onLeave }: LessonProps & { room: Room }) {
  const { connection, ending, me, timeline } = useRoomState(room);
  const { common } = useWords();
  if (connection === 'ended') return <EndedLesson code={code} ending={ending ?? 'left'} onLeave={onLeave} />;
  // Until the room's first answer there is nothing to conduct.
  if (me === null || timeline === null) {
    return (
      <>
        <Header home={HOME} room={room} />
        <main id="content" class="centre"><p class="hint" role="status">{common.loading}</p></main>
      </>
    );
  }
  return <OpenLesson room={room} code={code} onLeave={onLeave} />;
}

function EndedLesson({ code, ending, onLeave }: LessonProps & { ending: string }) {
  const { teacher: words } = useWords();
  return (
    <>
      <Header home={HOME} />
      <main id="content" class="lesson-over" tabIndex={-1}>
        <Ended why={ending} {...(ending === 'room_closed' && { title: words.lessonOver })}>
          <button type="button" class="button strong" onClick={onLeave}>{words.backToRooms}</button>
        </Ended>
        {ending === 'room_closed' && (
          <section class="card" aria-labelledby="report-title">
            <h2 id="report-title" class="report-title">{words.reportTitle}</h2>
            <ReportView code={code} />
          </section>
        )}
      </main>
      <Notice />
    </>
  );
}

type Shown = 'help' | 'report' | 'closing' | null;

function OpenLesson({ room, code, onLeave }: LessonProps & { room: Room }) {
  const { teacher: words } = useWords();
  const state = useRoomState(room);
  const sound = useSound(room);
  const { startUnlessSilenced } = sound;
  const [conducting, setConducting] = useState<Conducting>({ when: 'now', countInBars: 0 });
  const [shown, setShown] = useState<Shown>(null);
  const hide = useCallback(() => setShown(null), []);
  const tempo = useTempo(room, state, conducting.when);

  const startStop = useCallback(() => {
    const { playing, timeline } = room.state;
    if (playing) return void attempt(room.controls.stop());
    startUnlessSilenced(); // whoever starts the beat wants to hear it, and this is a gesture
    const countIn = conducting.countInBars * (timeline?.meter.beats_per_bar ?? 4);
    void attempt(room.controls.start(countIn > 0 ? { countIn } : {}));
  }, [room, startUnlessSilenced, conducting.countInBars]);

  const { nudge, tap } = tempo;
  const act = useCallback((action: Action) => {
    const doing: Record<Action, () => void> = {
      start: startStop,
      faster: () => nudge(1),
      slower: () => nudge(-1),
      fasterFive: () => nudge(5),
      slowerFive: () => nudge(-5),
      tap: () => tap(performance.now()),
      mute: () => {
        const muted = allMuted(studentsOf(room.state));
        void attempt(muted ? room.controls.unmuteAll() : room.controls.muteAll());
      },
      lock: () => void attempt(room.state.locked ? room.controls.unlock() : room.controls.lock()),
      help: () => setShown('help'),
    };
    doing[action]();
  }, [room, startStop, nudge, tap]);
  useShortcuts(act);

  return (
    <>
      <Header home={HOME} room={room} start={<h1 class="lesson-name">{state.name || words.roomUnnamed}</h1>}>
        <button type="button" class="icon-button" aria-label={words.openProjector} title={words.openProjector}
          onClick={() => void attempt(openProjector(code))}><ScreenIcon /></button>
        <button type="button" class="icon-button" aria-label={words.openReport} title={words.openReport}
          onClick={() => setShown('report')}><ReportIcon /></button>
        <button type="button" class="icon-button wide-only" aria-label={words.help} title={words.help}
          onClick={() => setShown('help')}><KeyboardIcon /></button>
        <SoundButton sound={sound} />
      </Header>
      <ConnectionBanner room={room} soundBlocked={sound.blocked} />
      <main id="content" class="lesson" tabIndex={-1}>
        <InvitePanel room={room} state={state} />
        <ConductPanel room={room} state={state} tempo={tempo} conducting={conducting} onConducting={setConducting}
          onStartStop={startStop} />
        <RosterPanel room={room} state={state} />
        <PatternPanel room={room} state={state} />
        <ParticipationPanel state={state} />
        <div class="lesson-end">
          <button type="button" class="button" onClick={onLeave}>{words.backToRooms}</button>
          <button type="button" class="button danger" onClick={() => setShown('closing')}>{words.closeRoom}</button>
        </div>
      </main>
      {shown === 'help' && <HelpDialog onClose={hide} />}
      {shown === 'report' && <Dialog title={words.reportTitle} onClose={hide} wide><ReportView code={code} /></Dialog>}
      {shown === 'closing' && (
        <Confirm title={words.closeRoomTitle} text={words.closeRoomText} confirm={words.closeRoom} onClose={hide}
          onConfirm={() => void attempt(room.controls.close())} />
      )}
      <Notice />
    </>
  );
}
