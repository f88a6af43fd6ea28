import { describe, expect, it } from 'vitest';
import { numberIn } from './number_field';

describe('a number that is typed', () => {
  it('is whole and within its limits', () => {
    expect(['96', ' 7 ', '0', '999', '96.6', '-4'].map((text) => numberIn(text, 1, 299))).toEqual([96, 7, 1, 299, 97, 1]);
  });

  it('is none where the text is none', () => {
    expect(['', '  ', 'fast', '1e999'].map((text) => numberIn(text, 1, 299))).toEqual([null, null, null, null]);
  });
});
