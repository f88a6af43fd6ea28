import { hueOf, initialOf } from './people';

/** Somebody's initial on their colour. */
export function Face({ studentId, name }: { studentId: string; name: string }) {
  return (
    <span class="face" aria-hidden="true" style={{ '--hue': String(hueOf(studentId)) }}>{initialOf(name)}</span>
  );
}
