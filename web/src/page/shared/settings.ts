/** What each device keeps for itself. */
import { Store, useStore } from './store';

export const LANGUAGES = ['en', 'es', 'de'] as const;
export type Language = (typeof LANGUAGES)[number];

export interface Settings {
  /** `auto`: like the browser. */
  language: Language | 'auto';
  theme: 'system' | 'light' | 'dark';
  /** Nothing large lights up with the beat. */
  noFlashing: boolean;
  /** 0 to 1. */
  volume: number;
  /** Whether the metronome is heard. */
  click: boolean;
  /** What the device's loudspeaker lags behind, in ms: beats sound so much earlier. */
  nudgeMs: number;
}

const KEY = 'downbeat.settings';
export const NUDGE_MS_MAX = 500;
export const DEFAULTS: Settings = {
  language: 'auto', theme: 'system', noFlashing: false, volume: 0.8, click: true, nudgeMs: 0,
};

const between = (low: number, high: number, value: unknown, otherwise: number) =>
  typeof value === 'number' && Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
const oneOf = <T>(choices: readonly T[], value: unknown, otherwise: T): T =>
  choices.includes(value as T) ? (value as T) : otherwise;

/** Reads what was kept; whatever is missing or makes no sense is as at the beginning. */
export function readSettings(text: string | null): Settings {
  let kept: Partial<Record<keyof Settings, unknown>> = {};
  try {
    const parsed: unknown = JSON.parse(text ?? '{}');
    if (typeof parsed === 'object' && parsed !== null) kept = parsed;
  } catch {
    // Somebody else's text under our name: begin anew.
  }
  return {
    language: oneOf<Settings['language']>([...LANGUAGES, 'auto'], kept.language, DEFAULTS.language),
    theme: oneOf<Settings['theme']>(['system', 'light', 'dark'], kept.theme, DEFAULTS.theme),
    noFlashing: oneOf([true, false], kept.noFlashing, DEFAULTS.noFlashing),
    volume: between(0, 1, kept.volume, DEFAULTS.volume),
    click: oneOf([true, false], kept.click, DEFAULTS.click),
    nudgeMs: between(-NUDGE_MS_MAX, NUDGE_MS_MAX, kept.nudgeMs, DEFAULTS.nudgeMs),
  };
}

/** A browser that keeps nothing (private windows, blocked storage) is no failure: it forgets. */
function kept(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const settings = new Store<Settings>(readSettings(typeof localStorage === 'undefined' ? null : kept()));

/** Changes some of the settings, for all components and for the next visit. */
export function changeSettings(changes: Partial<Settings>): void {
  settings.set({ ...settings.value, ...changes });
  try {
    localStorage.setItem(KEY, JSON.stringify(settings.value));
  } catch {
    // It holds for this visit.
  }
}

export const useSettings = (): Settings => useStore(settings);

/** `?lang=` first, then what was chosen, then the browser's languages, then English. */
export function chosenLanguage(search: string, chosen: Settings['language'], browser: readonly string[]): Language {
  const asked = new URLSearchParams(search).get('lang');
  const wanted = [asked ?? '', chosen, ...(chosen === 'auto' ? browser : [])];
  for (const tag of wanted) {
    const language = LANGUAGES.find((known) => known === tag.toLowerCase().split('-')[0]);
    if (language) return language;
  }
  return 'en';
}

/** Puts the theme on the document, for the style sheet. */
export function applyTheme({ theme }: Settings): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
