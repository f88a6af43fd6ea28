/** The teacher's controls as functions. */
import type { Controls } from './types';

type Push = (event: string, payload: object) => Promise<unknown>;

export function controlsOver(push: Push): Controls {
  const control = async (event: string, payload: object = {}): Promise<void> => void (await push(event, payload));
  return {
    setTempo: (bpm, at = 'now') => control('set_tempo', { bpm, at }),
    rampTempo: (bpm, beats) => control('ramp_tempo', { bpm, beats }),
    start: ({ countIn, resume } = {}) =>
      control('start_clock', { ...(countIn && { count_in: countIn }), ...(resume && { resume }) }),
    stop: () => control('stop_clock'),
    reset: () => control('reset_clock'),
    setMeter: (beatsPerBar, groups) => control('set_meter', { beats_per_bar: beatsPerBar, ...(groups && { groups }) }),
    mute: (studentId) => control('mute_student', { student_id: studentId }),
    unmute: (studentId) => control('unmute_student', { student_id: studentId }),
    muteAll: () => control('mute_all'),
    unmuteAll: () => control('unmute_all'),
    assignBeat: (studentId, beat) => control('assign_beat', { student_id: studentId, beat }),
    clearBeat: (beat) => control('clear_beat', { beat }),
    clearBeats: () => control('clear_beats'),
    assignRole: (studentId, role) => control('assign_role', { student_id: studentId, role: role ?? 'none' }),
    lock: () => control('lock_room'),
    unlock: () => control('unlock_room'),
    remove: (studentId) => control('remove_student', { student_id: studentId }),
    close: () => control('close_room'),
  };
}
