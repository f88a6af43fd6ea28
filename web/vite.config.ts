import { defineConfig } from 'vite';
import { compressed } from './compressed';

const OUT = 'dist/page';

// The page's policy allows nothing inline and nothing from elsewhere: every asset is a file beside it.
export default defineConfig({
  plugins: [compressed(OUT)],
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    // Under `dist`, whose other file keeps the folder in the repository: the program embeds what is here.
    outDir: OUT,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
  worker: { format: 'es' },
  // `npm run dev` beside `downbeat dev`: the page from Vite, the rest from the node.
  server: {
    proxy: {
      '/api': 'http://127.0.0.1:4000',
      '/dev': 'http://127.0.0.1:4000',
      '/socket': { target: 'http://127.0.0.1:4000', ws: true },
    },
  },
});
