import { useId } from 'preact/hooks';
import { useWords } from '../shared';
import { MOODS, type Draft } from './reflection_rules';

/** The mouth of each face, from sad to glad. */
const MOUTHS = ['M8 17q4-5 8 0', 'M8 16.500q4-3 8 0', 'M8 16h8', 'M8 15q4 3 8 0', 'M7.5 14.500q4.500 6 9 0z'];

function MoodFace({ mood }: { mood: number }) {
  return (
    <svg class="mood-face" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <circle cx="12" cy="12" r="10" />
      <path d="M8.500 9.500v.5M15.500 9.500v.5" />
      <path d={MOUTHS[mood - 1]} />
    </svg>
  );
}

/** Five faces, each with its word. */
export function MoodChoice({ mood, onChange }: { mood: Draft['mood']; onChange: (mood: Draft['mood']) => void }) {
  const { reflection: words } = useWords();
  const name = useId();
  return (
    <fieldset class="choice">
      <legend class="label">{words.moodLabel}</legend>
      <div class="moods">
        {MOODS.map((value) => (
          <label class="mood" key={value}>
            <input type="radio" name={name} value={value} checked={mood === value} onChange={() => onChange(value)} />
            <MoodFace mood={value} />
            <span>{words.moods[value - 1]}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
