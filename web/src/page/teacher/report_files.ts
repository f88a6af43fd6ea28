/** The report's files. They need the teacher's token, so they are fetched, then saved or opened from memory. */
import { reportFile } from '../shared/api';

/** A browser needs the file for as long as it takes to save or open it. */
const FILE_KEPT_MS = 60_000;
const LOOK_MS = 50;

/** An address for a while. */
function kept(file: Blob): string {
  const address = URL.createObjectURL(file);
  setTimeout(() => URL.revokeObjectURL(address), FILE_KEPT_MS);
  return address;
}

function save(address: string, name: string): void {
  Object.assign(document.createElement('a'), { href: address, download: name }).click();
}

/**
 * A page from memory is under this page's policy, which allows no styles within a page. What the server wrote there is
 * its own, so it is taken out, and put in by script once the tab has the page.
 */
async function withoutStyle(report: Blob): Promise<{ page: Blob; style: string }> {
  // As text: even a document that is only parsed is asked about its styles.
  const [before, ...styled] = (await report.text()).split('<style>');
  const parts = styled.map((part) => part.split('</style>'));
  const page = [before, ...parts.map(([, ...after]) => after.join(''))];
  return { page: new Blob(page as string[], { type: report.type }), style: parts.map(([style]) => style).join('\n') };
}

function show(tab: Window, address: string, style: string): void {
  tab.location.replace(address);
  const look = setInterval(() => {
    if (tab.closed) return clearInterval(look);
    const { document: page } = tab;
    if (page.URL !== address || page.readyState === 'loading') return;
    clearInterval(look);
    const sheet = new (tab as Window & typeof globalThis).CSSStyleSheet();
    sheet.replaceSync(style);
    page.adoptedStyleSheets = [sheet];
  }, LOOK_MS);
}

/** Saves a report as a table, or opens it as a page to print. From within a gesture. */
export async function openFile(code: string, kind: string, format: 'csv' | 'html'): Promise<void> {
  // At once: a tab that opens after the answer has come is one that the browser blocks.
  const tab = format === 'html' ? open('about:blank', '_blank') : null;
  try {
    const report = await reportFile(code, kind, format);
    if (tab) {
      const { page, style } = await withoutStyle(report);
      show(tab, kept(page), style);
    } else {
      save(kept(report), `${code}-${kind}.${format}`);
    }
  } catch (failure) {
    tab?.close();
    throw failure;
  }
}
