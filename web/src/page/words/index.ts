/** The words of the language that is in use. */
import { Store, useStore } from '../shared/store';
import type { Language } from '../shared/settings';
import { en, type Words } from './en';

export type { Words };

/** English comes with the page; another language when it is wanted. */
const LOADERS: Record<Language, () => Promise<Words>> = {
  en: async () => en,
  es: async () => (await import('./es')).es,
  de: async () => (await import('./de')).de,
};

export const words = new Store<Words>(en);
let wanted: Language = 'en';

/** Changes the language of everything that is shown. */
export async function speak(language: Language): Promise<void> {
  wanted = language;
  const loaded = await LOADERS[language]();
  if (wanted !== language) return; // another was chosen meanwhile
  words.set(loaded);
  document.documentElement.lang = language;
}

/** The words; the component is drawn anew when the language changes. */
export const useWords = (): Words => useStore(words);
