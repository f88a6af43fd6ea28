/** Picks the page, in its language and theme. Each page is loaded when it is wanted. */
import { render, type ComponentType } from 'preact';
import { Ended } from './shared/ended';
import { takeTokenFromAddress } from './shared/session';
import { applyTheme, chosenLanguage, settings } from './shared/settings';
import { speak, useWords } from './words';

const PAGES: Record<string, () => Promise<ComponentType>> = {
  student: async () => (await import('./student/student_page')).StudentPage,
  teacher: async () => (await import('./teacher/teacher_page')).TeacherPage,
  projector: async () => (await import('./projector/projector_page')).ProjectorPage,
};

function dress(): Promise<void> {
  applyTheme(settings.value);
  return speak(chosenLanguage(location.search, settings.value.language, navigator.languages));
}

async function open(): Promise<void> {
  takeTokenFromAddress();
  const role = new URLSearchParams(location.search).get('role') ?? 'student';
  document.documentElement.dataset.page = role in PAGES ? role : 'student';
  const page = (PAGES[role] ?? PAGES.student)!();
  settings.subscribe(() => void dress());
  const [Page] = await Promise.all([page, dress()]);
  render(<Page />, document.getElementById('app')!);
}

/** The rest of the page did not come: a network that is gone, or a server that was replaced meanwhile. */
function NotLoaded() {
  const words = useWords();
  return (
    <main class="centre">
      <Ended why="unreachable">
        <button type="button" class="button strong" onClick={() => location.reload()}>{words.common.tryAgain}</button>
      </Ended>
    </main>
  );
}

open().catch(() => render(<NotLoaded />, document.getElementById('app')!));
