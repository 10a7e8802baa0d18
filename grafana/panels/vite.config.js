import { fileURLToPath } from 'node:url';

export default {
  // `@grafana/ui` asks for its icons at build/img.
  base: '/build/',
  publicDir: fileURLToPath(new URL('node_modules/@grafana/ui/dist/public', import.meta.url)),
  logLevel: 'warn',
  build: {
    chunkSizeWarningLimit: Infinity,
    // Some hundred packages mark their files for React's server, which is none of ours.
    rolldownOptions: { onwarn: () => {} },
  },
};
