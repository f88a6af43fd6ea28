import { useEffect, useRef } from 'preact/hooks';
import { velocityAt } from './piano_keys';

interface PointerPlaying {
  /** A finger came down on a key, or slid onto it. Gives whether it sounded. */
  onDown: (midi: number, velocity: number, at: number) => boolean;
  onUp: (midi: number) => void;
}

/** The key under a point, and how far down it the point is. */
function keyUnder(box: HTMLElement, { clientX, clientY }: PointerEvent): { midi: number; depth: number } | null {
  const key = document.elementFromPoint(clientX, clientY)?.closest<HTMLElement>('[data-midi]');
  if (!key || !box.contains(key)) return null;
  const { top, height } = key.getBoundingClientRect();
  return { midi: Number(key.dataset.midi), depth: (clientY - top) / height };
}

/**
 * Plays by touch and mouse: as many fingers as there are, each of which may slide from key to key. The points between
 * two frames count too, so that a quick glissando leaves out no key.
 */
export function usePointers(box: { current: HTMLElement | null }, playing: PointerPlaying): void {
  const current = useRef(playing);
  current.current = playing;
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    /** Pointer → the key that it is on, and whether that key sounds. */
    const fingers = new Map<number, { midi: number; sounds: boolean } | null>();

    const lift = (pointer: number) => {
      const on = fingers.get(pointer);
      if (on?.sounds) current.current.onUp(on.midi);
    };
    const put = (event: PointerEvent, at: number) => {
      const key = keyUnder(element, event);
      if (fingers.get(event.pointerId)?.midi === key?.midi && fingers.has(event.pointerId)) return;
      lift(event.pointerId);
      const sounds = key !== null && current.current.onDown(key.midi, velocityAt(key.depth), at);
      fingers.set(event.pointerId, key && { midi: key.midi, sounds });
    };
    const down = (event: PointerEvent) => {
      if (event.button !== 0) return;
      // Touches would otherwise stay with the key on which they began.
      (event.target as Element).releasePointerCapture?.(event.pointerId);
      put(event, event.timeStamp);
    };
    const move = (event: PointerEvent) => {
      if (!fingers.has(event.pointerId)) return;
      const between = event.getCoalescedEvents?.() ?? [];
      for (const point of between.length > 0 ? between : [event]) put(point, point.timeStamp || event.timeStamp);
    };
    const up = ({ pointerId }: PointerEvent) => {
      lift(pointerId);
      fingers.delete(pointerId);
    };
    // A long press opens no menu here, and what is selected elsewhere on the page is not dragged along.
    const keep = (event: Event) => event.preventDefault();
    element.addEventListener('contextmenu', keep);
    element.addEventListener('dragstart', keep);
    element.addEventListener('pointerdown', down);
    addEventListener('pointermove', move);
    addEventListener('pointerup', up);
    addEventListener('pointercancel', up);
    return () => {
      element.removeEventListener('contextmenu', keep);
      element.removeEventListener('dragstart', keep);
      element.removeEventListener('pointerdown', down);
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', up);
      removeEventListener('pointercancel', up);
    };
  }, []);
}
