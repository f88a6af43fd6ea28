/** Failures in human words. */
import { words, type Words } from '../words';

/** The reason that a failure carries: the server's code or reason, how a room ended, or the message. */
export function reasonOf(failure: unknown): string {
  if (typeof failure === 'string') return failure;
  const { code, message } = (failure ?? {}) as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : typeof message === 'string' ? message : String(failure);
}

/** A sentence for people, in the language of the page. */
export function say(failure: unknown, { errors, otherError }: Words = words.value): string {
  const reason = reasonOf(failure);
  if (Object.hasOwn(errors, reason)) return errors[reason as keyof Words['errors']];
  const { message } = (failure ?? {}) as { message?: unknown };
  return otherError((typeof message === 'string' ? message : reason).replace(/\.$/, ''));
}
