import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** Files that shrink. */
const TEXT = /\.(html|css|js|json|svg|webmanifest)$/;

/** Puts a compressed twin beside each text: the node sends it as it is, and has no work with it. */
export function compressed(folder: string): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    closeBundle() {
      for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (TEXT.test(entry)) writeFileSync(join(folder, `${entry}.gz`), gzipSync(readFileSync(join(folder, entry)), { level: 9 }));
      }
    },
  };
}
