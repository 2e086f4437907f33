import { defineConfig } from 'vite'

const SERVICE = 'http://127.0.0.1:8000'

// One build for every page. `engagement demo` and `engagement serve --dev` serve the result under /static.
export default defineConfig({
  base: '/static/',
  build: {
    outDir: '../engagement/web',
    emptyOutDir: true,
    target: 'es2022',
    // What is inlined as data: would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 8192,
    rolldownOptions: {
      input: { demo: 'demo/index.html', graphiql: 'graphiql/index.html' },
    },
  },
  worker: { format: 'es' },
  // `npx vite` beside a running `make demo`: http://localhost:5173/static/demo/
  server: {
    proxy: {
      '/graphql': { target: SERVICE, ws: true },
      '/demo/session': SERVICE,
    },
  },
})
