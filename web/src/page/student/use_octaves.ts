import { useEffect, useState } from 'preact/hooks';

/** Two octaves where their keys are wide enough for fingers. */
const WIDE = '(min-width: 700px)';

/** How many octaves the piano has on this screen. */
export function useOctaves(): number {
  const [query] = useState(() => matchMedia(WIDE));
  const [wide, setWide] = useState(query.matches);
  useEffect(() => {
    const changed = () => setWide(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, [query]);
  return wide ? 2 : 1;
}
