/** A few words on the lesson, if one likes; to be changed until the teacher ends it. */
import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { Room } from '../../downbeat';
import { Dialog, say, useWords } from '../shared';
import { MoodChoice } from './mood';
import {
  characters, COMPETENCIES, problemOf, TEXT_MAX, toReflection, TYPES, type Draft, type Problem,
  type Written,
} from './reflection_rules';

interface ReflectionFormProps {
  room: Room;
  written: Written;
  onWrite: (written: Written) => void;
  onClose: () => void;
}

/** From here on it is said how much room is left. */
const NEARLY_FULL = 200;

interface ChoicesProps<T extends string> {
  legend: string;
  values: readonly T[];
  labels: Record<T, string>;
  chosen: T | null;
  onChoose: (value: T) => void;
  children?: ComponentChildren;
}

function Choices<T extends string>({ legend, values, labels, chosen, onChoose, children }: ChoicesProps<T>) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend class="label">{legend}</legend>
      <div class="choice-chips">
        {values.map((value) => (
          <label class="choice-chip" key={value}>
            <input type="radio" name={name} value={value} checked={chosen === value} onChange={() => onChoose(value)} />
            <span>{labels[value]}</span>
          </label>
        ))}
        {children}
      </div>
    </fieldset>
  );
}

export function ReflectionForm({ room, written, onWrite, onClose }: ReflectionFormProps) {
  const { reflection: words, ...all } = useWords();
  const { draft, id: sentId } = written;
  const [problem, setProblem] = useState<Problem>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const id = useId();
  const left = TEXT_MAX - characters(draft.text.trim());

  const change = (changes: Partial<Draft>) => {
    setFailure(null);
    onWrite({ draft: { ...draft, ...changes }, id: sentId, sent: false });
  };
  const send = async (event: Event) => {
    event.preventDefault();
    const found = problemOf(draft);
    setProblem(found);
    if (found || busy) return;
    setBusy(true);
    setFailure(null);
    try {
      const stored = await room.submitReflection(toReflection(draft, sentId));
      onWrite({ draft, id: stored.id, sent: true });
    } catch (refused) {
      setFailure(refused);
    } finally {
      setBusy(false);
    }
  };
  const said = problem === 'empty' ? words.textNeeded : problem === 'too_long' ? words.tooLong
    : failure ? say(failure, { reflection: words, ...all }) : '';

  if (written.sent) {
    const again = (
      <>
        <button type="button" class="button" onClick={() => onWrite({ ...written, sent: false })}>
          {words.change}
        </button>
        <button type="button" class="button strong" onClick={onClose}>{all.common.close}</button>
      </>
    );
    return (
      // A dialog of its own, which takes the focus: the button that had it is gone.
      <Dialog key="sent" title={words.title} onClose={onClose} actions={again}>
        <p class="sent" role="status">{words.sent}</p>
        <p class="hint">{words.untilTheEnd}</p>
      </Dialog>
    );
  }
  return (
    <Dialog key="form" title={words.title} onClose={onClose}>
      <form class="reflection" onSubmit={send} noValidate>
        <p class="hint">{words.intro}</p>
        <MoodChoice mood={draft.mood} onChange={(mood) => change({ mood })} />
        <div class="labelled">
          <label class="label" for={`${id}-text`}>{words.textLabel}</label>
          <textarea
            id={`${id}-text`}
            class="field"
            rows={4}
            value={draft.text}
            aria-describedby={`${id}-left ${id}-said`}
            aria-invalid={problem !== null}
            onInput={({ currentTarget }) => { setProblem(null); change({ text: currentTarget.value }); }}
          />
          <p id={`${id}-left`} class={left < 0 ? 'wrong' : 'hint'}>{words.left(left)}</p>
          <p class="visually-hidden" role="status">{left < NEARLY_FULL && left % 50 === 0 ? words.left(left) : ''}</p>
        </div>
        <Choices legend={words.competencyLabel} values={COMPETENCIES} labels={words.competencies}
          chosen={draft.competency} onChoose={(competency) => change({ competency })}>
          {draft.competency && (
            <button type="button" class="button small plain" onClick={() => change({ competency: null })}>
              {words.competencyNone}
            </button>
          )}
        </Choices>
        <Choices legend={words.typeLabel} values={TYPES} labels={words.types}
          chosen={draft.type} onChoose={(type) => change({ type })} />
        <p id={`${id}-said`} class="wrong" role="alert">{said}</p>
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>{words.notNow}</button>
          <button class="button strong" aria-disabled={busy}>{busy ? all.common.loading : words.send}</button>
        </div>
      </form>
    </Dialog>
  );
}
