/**
 * When something large may light up with the beat. Nothing may flash more than three times a second (WCAG 2.3.1), and
 * nothing at all for those who asked for calm.
 */
import { useEffect, useState } from 'preact/hooks';
import { useSettings } from './settings';

const FLASHES_PER_MINUTE_MAX = 180;
const LESS_MOTION = '(prefers-reduced-motion: reduce)';

/** Whether a large area may flash on each beat. */
export const mayFlash = (bpm: number, calm: boolean): boolean => !calm && bpm <= FLASHES_PER_MINUTE_MAX;

/** Whether the device asks for less motion. */
export function useLessMotion(): boolean {
  const [query] = useState(() => matchMedia(LESS_MOTION));
  const [less, setLess] = useState(query.matches);
  useEffect(() => {
    const changed = () => setLess(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, [query]);
  return less;
}

/** Whether nothing large may flash here: by the setting, or because the device asks for less motion. */
export function useCalm(): boolean {
  const lessMotion = useLessMotion();
  return useSettings().noFlashing || lessMotion;
}
