import { useEffect, useState } from 'preact/hooks';
import { useWords } from '../shared';
import { Header } from '../shared/header';

/** So long a first connection may take before the page says that it is still at it. */
const PATIENCE_MS = 4_000;

/** While the first connection is made. */
export function Waiting({ name, onBack }: { name: string; onBack: () => void }) {
  const words = useWords();
  const [long, setLong] = useState(false);
  useEffect(() => {
    const waiting = setTimeout(() => setLong(true), PATIENCE_MS);
    return () => clearTimeout(waiting);
  }, []);
  return (
    <>
      <Header home="/" />
      <main id="content" class="door" tabIndex={-1}>
        <section class="card card-narrow" aria-labelledby="hello">
          <h1 id="hello">{words.student.hello(name)}</h1>
          <p role="status">{long ? words.student.stillConnecting : words.common.connection.connecting}</p>
          {long && <p class="hint">{words.errors.unreachable}</p>}
          <div class="row"><button type="button" class="button" onClick={onBack}>{words.common.back}</button></div>
        </section>
      </main>
    </>
  );
}
