/** What keys do on the teacher's page, wherever the focus is; but never while somebody types or chooses. */
import { useEffect } from 'preact/hooks';

export type Action = 'start' | 'faster' | 'slower' | 'fasterFive' | 'slowerFive' | 'tap' | 'mute' | 'lock' | 'help';

interface Key {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
}

/** What the focus is on, as far as keys matter to it. */
export type Focus = 'text' | 'choice' | 'button' | 'elsewhere';

const TEXT = ['text', 'search', 'number', 'email', 'url', 'password', 'tel'];

/** `text` takes every key; `choice` (sliders, lists, boxes) arrows and space; a button only space. */
export function focusOf(element: Pick<Element, 'tagName' | 'getAttribute' | 'closest'> | null): Focus {
  if (!element) return 'elsewhere';
  // In a dialog the page behind it rests.
  if (element.closest('dialog')) return 'text';
  const tag = element.tagName.toLowerCase();
  if (tag === 'input') return TEXT.includes(element.getAttribute('type') ?? 'text') ? 'text' : 'choice';
  if (tag === 'textarea' || element.getAttribute('contenteditable') !== null) return 'text';
  // A list takes letters too: they choose from it.
  if (tag === 'select') return 'text';
  return ['button', 'a', 'summary'].includes(tag) ? 'button' : 'elsewhere';
}

/** The action of a key, or null where it is none or belongs to what has the focus. */
export function actionOf({ key, shiftKey, ctrlKey, altKey, metaKey }: Key, focus: Focus): Action | null {
  if (focus === 'text' || ctrlKey || altKey || metaKey) return null;
  switch (key) {
    case ' ': return focus === 'elsewhere' ? 'start' : null;
    case 'ArrowUp': return focus === 'choice' ? null : shiftKey ? 'fasterFive' : 'faster';
    case 'ArrowDown': return focus === 'choice' ? null : shiftKey ? 'slowerFive' : 'slower';
    case '?': return 'help';
    default:
      switch (key.toLowerCase()) {
        case 't': return 'tap';
        case 'm': return 'mute';
        case 'l': return 'lock';
        default: return null;
      }
  }
}

/** Listens as long as the component is there. A key that is held down repeats only the tempo. */
export function useShortcuts(act: (action: Action) => void): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
      const action = actionOf(event, focusOf(event.target as Element | null));
      if (!action || (event.repeat && !/^(faster|slower)/.test(action))) return;
      event.preventDefault();
      act(action);
    };
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  }, [act]);
}
