import { describe, expect, it } from 'vitest';
import { chosenLanguage, DEFAULTS, readSettings } from './settings';

describe('settings', () => {
  it('are kept', () => {
    const kept = { language: 'de', theme: 'dark', noFlashing: true, volume: 0.25, click: false, nudgeMs: -40 };
    expect(readSettings(JSON.stringify(kept))).toEqual(kept);
  });

  it('are as at the beginning where nothing, or nonsense, is kept', () => {
    for (const text of [null, '', '{', '7', 'null', '[]', '{"theme":"pink","volume":"loud","nudgeMs":null}']) {
      expect(readSettings(text)).toEqual(DEFAULTS);
    }
  });

  it('stay within their limits', () => {
    expect(readSettings('{"volume":9,"nudgeMs":-9000}')).toMatchObject({ volume: 1, nudgeMs: -500 });
  });
});

describe('the language', () => {
  it('is what the address asks for, then what was chosen, then the browser’s, then English', () => {
    expect(chosenLanguage('?lang=es', 'de', ['de-AT'])).toBe('es');
    expect(chosenLanguage('', 'de', ['es'])).toBe('de');
    expect(chosenLanguage('', 'auto', ['fr-FR', 'es-MX', 'de'])).toBe('es');
    expect(chosenLanguage('', 'auto', ['fr'])).toBe('en');
    expect(chosenLanguage('?lang=xx', 'auto', [])).toBe('en');
  });
});
