import type { TargetedEvent } from 'preact';
import { useState } from 'preact/hooks';

interface NumberFieldProps {
  value: number;
  min: number;
  max: number;
  step?: number;
  class?: string;
  label?: string;
  describedBy?: string;
  onCommit: (value: number) => void;
}

/** A whole number within the limits, or null where the text is no number. */
export function numberIn(text: string, min: number, max: number): number | null {
  const value = Number(text);
  return text.trim() === '' || !Number.isFinite(value) ? null : Math.round(Math.min(max, Math.max(min, value)));
}

/**
 * A number that somebody types. What is typed stays until it is done (Enter, or leaving the field), however often the
 * page is drawn meanwhile; arrows and the field's own buttons take effect at once.
 */
export function NumberField({ value, min, max, step = 1, label, describedBy, onCommit, ...rest }: NumberFieldProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const commit = (event: TargetedEvent<HTMLInputElement>) => {
    const typed = numberIn(event.currentTarget.value, min, max);
    setDraft(null);
    // The room may answer late, or not at all: until then the field shows what holds.
    event.currentTarget.value = String(typed ?? value);
    if (typed !== null && typed !== value) onCommit(typed);
  };
  return (
    <input
      {...rest}
      type="number"
      min={min}
      max={max}
      step={step}
      aria-label={label}
      aria-describedby={describedBy}
      value={draft ?? value}
      onInput={(event) => setDraft(event.currentTarget.value)}
      onChange={commit}
    />
  );
}
