import { useWords } from '../shared';
import { KeyboardIcon } from '../shared/icons';
import type { MidiState } from './midi';

/** Asks for MIDI keyboards, and says what came of it. */
export function MidiButton({ midi, ask }: { midi: MidiState; ask: () => void }) {
  const { student: words } = useWords();
  const said = {
    off: () => '',
    asking: () => words.midiAsking,
    unavailable: () => words.midiUnavailable,
    denied: () => words.midiDenied,
    on: () => {
      const names = midi.state === 'on' ? midi.names : [];
      return names.length > 0 ? words.midiConnected(names.join(', ')) : words.midiNone;
    },
  }[midi.state]();
  return (
    <div class="midi">
      {midi.state !== 'on' && (
        <button type="button" class="button small plain" onClick={ask}><KeyboardIcon />{words.midiConnect}</button>
      )}
      <p class="hint" role="status">{said}</p>
    </div>
  );
}
