/**
 * What one has written stays with the tab until the lesson ends, so that a reload loses no words, and what was sent can
 * still be changed rather than sent twice.
 */
import { NOTHING_WRITTEN, type Written } from './reflection_rules';

const KEY = 'downbeat.reflection.';

export function writtenHere(code: string): Written {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY + code) ?? 'null');
    return kept ? { ...NOTHING_WRITTEN, ...(kept as Written) } : NOTHING_WRITTEN;
  } catch {
    return NOTHING_WRITTEN;
  }
}

export function keepWritten(code: string, written: Written): void {
  try {
    sessionStorage.setItem(KEY + code, JSON.stringify(written));
  } catch {
    // Where nothing can be kept it lives as long as the page.
  }
}

export function forgetWritten(code: string): void {
  try {
    sessionStorage.removeItem(KEY + code);
  } catch {
    // Nothing was kept.
  }
}
