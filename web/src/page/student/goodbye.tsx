import type { Ending } from '../../downbeat';
import { Ended, useWords } from '../shared';
import type { Written } from './reflection_rules';

interface GoodbyeProps {
  ending: Ending;
  written: Written;
  onAgain: () => void;
  onDoor: () => void;
}

/** Why it is over, what became of the reflection, and the way on. */
export function Goodbye({ ending, written, onAgain, onDoor }: GoodbyeProps) {
  const { student: words, reflection } = useWords();
  const unsent = !written.sent && written.draft.text.trim() !== '';
  const over = ending === 'room_closed';
  const mayReturn = ending === 'left' || ending === 'session_expired';
  return (
    <Ended why={ending}>
      {unsent && (
        <label class="labelled goodbye-words">
          <span>{words.reflectionUnsent}</span>
          <textarea class="field" rows={4} readOnly value={written.draft.text} aria-label={reflection.textLabel} />
        </label>
      )}
      {over && !unsent && <p class="hint">{written.id ? words.reflectionKept : words.reflectionOver}</p>}
      {mayReturn && <button type="button" class="button strong" onClick={onAgain}>{words.backIn}</button>}
      <button type="button" class={mayReturn ? 'button' : 'button strong'} onClick={onDoor}>{words.joinAnother}</button>
    </Ended>
  );
}
