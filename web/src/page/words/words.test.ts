import { describe, expect, it } from 'vitest';
import { de } from './de';
import { en } from './en';
import { es } from './es';

type Leaf = [path: string, value: unknown];

/** Every sentence with its path. */
function leaves(value: unknown, path = ''): Leaf[] {
  if (typeof value !== 'object' || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path ? `${path}.${key}` : key));
}

/** A sentence as it reads, whatever is put into it. */
const read = (value: unknown): string =>
  typeof value === 'function' ? String((value as (...given: unknown[]) => unknown)('7', 7, 7)) : String(value);

const english = leaves(en);

describe.each([['en', en], ['es', es], ['de', de]] as const)('the words in %s', (language, words) => {
  it('are the same that English has', () => {
    expect(leaves(words).map(([path]) => path)).toEqual(english.map(([path]) => path));
  });

  it('are of the same kind', () => {
    expect(leaves(words).map(([path, value]) => [path, typeof value]))
      .toEqual(english.map(([path, value]) => [path, typeof value]));
  });

  it('leave nothing empty', () => {
    const isBad = (text: string) => text.trim() === '' || /undefined|null|NaN/.test(text);
    const bad = leaves(words).filter(([, value]) => isBad(read(value)));
    expect(bad.map(([path]) => path)).toEqual([]);
  });

  it('are told apart from English', () => {
    if (language === 'en') return;
    const texts = leaves(words).map(([path, value], i) => ({ path, text: read(value), in: read(english[i]?.[1]) }));
    const same = texts.filter((one) => one.text.length > 12 && one.text === one.in);
    expect(same.map(({ path }) => path)).toEqual([]);
  });
});

describe('numbers in sentences', () => {
  it('agree with one and with many', () => {
    expect([en.teacher.roomPeople(1), en.teacher.roomPeople(2)]).toEqual(['1 person', '2 people']);
    expect([es.teacher.notes(1), es.teacher.notes(3)]).toEqual(['1 nota', '3 notas']);
    expect([de.teacher.handsUp(1), de.teacher.handsUp(2)]).toEqual(['1 Meldung', '2 Meldungen']);
    expect(en.teacher.reportSummary(0, 1, 2)).toBe('Less than a minute, 1 student, 2 notes.');
    expect(de.teacher.reportSummary(40, 12, 1)).toBe('40 Minuten, 12 Kinder, 1 Ton.');
  });
});
