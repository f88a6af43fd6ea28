import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { say } from './say';

interface EndedProps {
  /** Why: an `Ending`, or what failed. */
  why: unknown;
  /** Said instead of the sentence that `why` has. */
  title?: string;
  /** What to do now. */
  children?: ComponentChildren;
}

/** A card instead of the room: it is over, or never began. Takes the focus, so that readers read why. */
export function Ended({ why, title, children }: EndedProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <section class="card card-narrow" aria-labelledby="ended-why">
      <h1 id="ended-why" ref={heading} tabIndex={-1}>{title ?? say(why)}</h1>
      <div class="row">{children}</div>
    </section>
  );
}
