import './teacher.css';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { Ended } from '../shared';
import { teacherToken } from '../shared/api';
import { Header } from '../shared/header';
import { useWords } from '../words';
import { Lesson } from './lesson';
import { RoomsPage } from './rooms_page';

const codeInAddress = (): string | null =>
  new URLSearchParams(location.search).get('room')?.trim().toUpperCase() || null;

/** The room that the address names; `go` changes both, and the browser's Back works. */
function useCode(): [string | null, (code: string | null) => void] {
  const [code, setCode] = useState(codeInAddress);
  useEffect(() => {
    const back = () => setCode(codeInAddress());
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  const go = useCallback((next: string | null) => {
    const query = new URLSearchParams(location.search);
    query.delete('room');
    if (next) query.set('room', next);
    history.pushState(null, '', `?${query}`);
    setCode(next);
    scrollTo(0, 0);
  }, []);
  return [code, go];
}

/** The teacher's page: the rooms, and in one of them the lesson. */
export function TeacherPage() {
  const words = useWords();
  const [code, go] = useCode();
  const [access, setAccess] = useState<{ failure: unknown } | 'asking' | 'granted'>('asking');
  const ask = useCallback(() => {
    setAccess('asking');
    teacherToken().then(() => setAccess('granted'), (failure: unknown) => setAccess({ failure }));
  }, []);
  useEffect(ask, [ask]);
  useEffect(() => { document.title = `${code ?? words.teacher.title} · Downbeat`; }, [code, words]);

  if (access === 'granted') {
    return code ? <Lesson key={code} code={code} onLeave={() => go(null)} /> : <RoomsPage onOpen={go} />;
  }
  return (
    <>
      <Header home="/?role=teacher" />
      <main id="content" class="centre" tabIndex={-1}>
        {access === 'asking'
          ? <p class="hint" role="status">{words.common.loading}</p>
          : (
            <Ended why={access.failure}>
              <button type="button" class="button" onClick={ask}>{words.common.tryAgain}</button>
            </Ended>
          )}
      </main>
    </>
  );
}
