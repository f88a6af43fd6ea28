import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { say, useWords } from '../shared';
import { digitsOf, DIGITS_MAX, missingIn, NAME_MAX, type Missing } from './entrance';

interface JoinFormProps {
  digits: string;
  name: string;
  /** Why the last attempt did not go well. */
  failure: unknown;
  busy: boolean;
  onJoin: (digits: string, name: string) => void;
}

/** The code on the board and a name: all that is needed to come in. */
export function JoinForm({ digits: firstDigits, name: firstName, failure, busy, onJoin }: JoinFormProps) {
  const words = useWords();
  const [digits, setDigits] = useState(firstDigits);
  const [name, setName] = useState(firstName);
  const [missing, setMissing] = useState<Missing>(null);
  const [codeField, nameField] = [useRef<HTMLInputElement>(null), useRef<HTMLInputElement>(null)];
  const id = useId();

  useEffect(() => {
    const first = firstDigits && !failure ? nameField : codeField;
    first.current?.focus();
  }, [failure]);

  const submit = (event: Event) => {
    event.preventDefault();
    const lacks = missingIn(digits, name);
    setMissing(lacks);
    if (lacks) (lacks === 'code' ? codeField : nameField).current?.focus();
    else if (!busy) onJoin(digits, name.trim());
  };
  const problem = missing === 'code' ? words.student.codeNeeded
    : missing === 'name' ? words.student.nameNeeded
      : failure ? say(failure, words) : '';

  return (
    <form class="card card-narrow join" onSubmit={submit} noValidate aria-labelledby={`${id}-title`}>
      <div class="join-mark" aria-hidden="true"><i /><i /><i /><i /></div>
      <h1 id={`${id}-title`}>{words.student.joinTitle}</h1>
      <div class="labelled">
        <label class="label" for={`${id}-code`}>{words.student.codeLabel}</label>
        <div class="join-code">
          <span aria-hidden="true">MUSIC-</span>
          <input
            id={`${id}-code`}
            ref={codeField}
            class="field"
            type="text"
            inputMode="numeric"
            autocomplete="off"
            enterkeyhint="next"
            placeholder="1234"
            maxLength={DIGITS_MAX + 6}
            aria-label={words.student.codeDigits}
            aria-describedby={`${id}-problem`}
            aria-invalid={missing === 'code' || Boolean(failure)}
            value={digits}
            onInput={({ currentTarget }) => {
              currentTarget.value = digitsOf(currentTarget.value);
              setDigits(currentTarget.value);
            }}
          />
        </div>
      </div>
      <div class="labelled">
        <label class="label" for={`${id}-name`}>{words.student.nameLabel}</label>
        <input
          id={`${id}-name`}
          ref={nameField}
          class="field"
          type="text"
          autocomplete="given-name"
          enterkeyhint="go"
          maxLength={NAME_MAX}
          aria-describedby={`${id}-problem`}
          aria-invalid={missing === 'name'}
          value={name}
          onInput={({ currentTarget }) => setName(currentTarget.value)}
        />
      </div>
      <p id={`${id}-problem`} class="wrong join-problem" role="alert">{problem}</p>
      <button class="button strong" aria-disabled={busy}>{busy ? words.student.joining : words.student.join}</button>
      <p class="hint">{words.student.toTeacher} <a href="/?role=teacher">{words.student.toTeacherLink}</a>.</p>
    </form>
  );
}
