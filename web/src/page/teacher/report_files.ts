/** The report's files. They need the teacher's token, so they are fetched, then saved or opened from memory. */
import { reportFile } from '../shared/api';

/** A browser needs the file for as long as it takes to save or open it. */
const FILE_KEPT_MS = 60_000;
const LOOK_MS = 50;

function save(address: string, name: string): void {
  Object.assign(document.createElement('a'), { href: address, download: name }).click();
}

/**
 * A page from memory is under this page's policy, which allows no styles within a page. What the server wrote there is
 * its own, so it is put in by script once the tab has the page.
 */
function show(tab: Window, address: string): void {
  tab.location.replace(address);
  const look = setInterval(() => {
    if (tab.closed) return clearInterval(look);
    const { document: page } = tab;
    if (page.URL !== address || page.readyState === 'loading') return;
    clearInterval(look);
    const sheet = new (tab as Window & typeof globalThis).CSSStyleSheet();
    sheet.replaceSync([...page.querySelectorAll('style')].map((style) => style.textContent).join('\n'));
    page.adoptedStyleSheets = [sheet];
  }, LOOK_MS);
}

/** Saves a report as a table, or opens it as a page to print. From within a gesture. */
export async function openFile(code: string, kind: string, format: 'csv' | 'html'): Promise<void> {
  // At once: a tab that opens after the answer has come is one that the browser blocks.
  const tab = format === 'html' ? open('about:blank', '_blank') : null;
  try {
    const address = URL.createObjectURL(await reportFile(code, kind, format));
    setTimeout(() => URL.revokeObjectURL(address), FILE_KEPT_MS);
    if (tab) show(tab, address);
    else save(address, `${code}-${kind}.${format}`);
  } catch (failure) {
    tab?.close();
    throw failure;
  }
}
