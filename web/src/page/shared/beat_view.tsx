import './beat.css';
import { useCallback, useEffect, useMemo, useRef } from 'preact/hooks';
import type { Beat, Room, RoomState } from '../../downbeat/types';
import { useWords, type Words } from '../words';
import { mayFlash, useCalm } from './flash';
import { groupStarts } from './metre';
import { useBeat, useOnBeat, useRoomState } from './use_room';

interface BeatViewProps {
  room: Room;
  /** How large it may become: the page's style sheet says how much that is. */
  size: 'student' | 'teacher' | 'projector';
}

const RADIUS = 98;
const HIT_MS = 260;
const GLOW_MS = 420;

/** One arc of the ring for each pulse of the bar; the first of a group stands out. */
function Ring({ beatsPerBar, groups, pulse }: { beatsPerBar: number; groups: readonly number[]; pulse: number }) {
  const starts = useMemo(() => groupStarts(beatsPerBar, groups), [beatsPerBar, groups]);
  const gap = beatsPerBar > 1 ? Math.min(0.14, 0.012 * beatsPerBar + 0.05) : 0;
  return (
    <g>
      {Array.from({ length: beatsPerBar }, (_, i) => (
        <circle
          key={i}
          class="beat-arc"
          data-state={pulse === i + 1 ? 'now' : i + 1 < pulse ? 'past' : 'ahead'}
          data-group={starts.has(i + 1)}
          r={RADIUS}
          pathLength={beatsPerBar}
          stroke-dasharray={`${1 - gap} ${beatsPerBar}`}
          stroke-dashoffset={-i - gap / 2}
        />
      ))}
    </g>
  );
}

function labelOf({ playing, bpm, timeline }: RoomState, { common }: Words): string {
  return playing ? common.beatPlaying(Math.round(bpm), timeline?.meter.beats_per_bar ?? 4) : common.beatStopped;
}

function placeOf(beat: Beat | null, { common }: Words): string {
  if (!beat) return common.ready;
  return beat.beat < 0 ? common.countIn : common.bar(beat.bar);
}

/** The big beat: a disc that pulses when the beat is heard, inside a ring with one arc for each pulse of the bar. */
export function BeatView({ room, size }: BeatViewProps) {
  const words = useWords();
  const calm = useCalm();
  const state = useRoomState(room);
  const beat = useBeat(room);
  const disc = useRef<HTMLDivElement>(null);
  const glow = useRef<HTMLDivElement>(null);
  const hand = useRef<SVGCircleElement>(null);

  const meter = state.timeline?.meter;
  const beatsPerBar = meter?.beats_per_bar ?? 4;
  const bpm = beat?.bpm ?? state.bpm;
  const flashes = mayFlash(bpm, calm);

  // Animations of the browser's own run beside the page's work: a slow device draws fewer of them, never late ones.
  const hit = useCallback((now: Beat) => {
    if (mayFlash(now.bpm, calm)) {
      const strength = now.accent === 'none' ? 0.07 : 0.12;
      disc.current?.animate([{ transform: `scale(${1 + strength})` }, { transform: 'scale(1)' }],
        { duration: HIT_MS, easing: 'cubic-bezier(.2,.7,.3,1)' });
      glow.current?.animate([{ opacity: now.accent === 'none' ? 0.35 : 0.6 }, { opacity: 0 }],
        { duration: GLOW_MS, easing: 'ease-out' });
    }
    if (calm) return;
    const turn = (pulse: number) => `rotate(${((pulse - 1) / beatsPerBar) * 360}deg)`;
    hand.current?.animate([{ transform: turn(now.pulse) }, { transform: turn(now.pulse + 1) }],
      { duration: 60_000 / now.bpm, fill: 'forwards' });
  }, [calm, beatsPerBar]);
  useOnBeat(room, hit);
  useEffect(() => {
    if (!beat) hand.current?.getAnimations().forEach((animation) => animation.cancel());
  }, [beat]);

  return (
    <div
      class={`beat beat-${size}`}
      role="img"
      aria-label={labelOf(state, words)}
      data-playing={beat !== null}
      data-accent={beat?.accent ?? 'none'}
      data-flashes={flashes}
      data-beat={beat?.beat}
    >
      <div class="beat-glow" ref={glow} />
      <svg class="beat-ring" viewBox="-110 -110 220 220" aria-hidden="true">
        <Ring beatsPerBar={beatsPerBar} groups={meter?.groups ?? []} pulse={beat?.pulse ?? 0} />
        {beat && !calm && <circle class="beat-hand" ref={hand} r="6" cx={RADIUS} />}
      </svg>
      <div class="beat-disc" ref={disc} aria-hidden="true">
        <span class="beat-place">{placeOf(beat, words)}</span>
        <b class="beat-pulse">{beat ? beat.pulse : '–'}</b>
        <span class="beat-bpm">{Math.round(bpm)} {words.common.bpm}</span>
      </div>
    </div>
  );
}
