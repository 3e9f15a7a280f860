// Whether the server of this container answers requests: exit status 0 or 1. The image has no curl.
const listen = process.env.LOADSTONE_LISTEN ?? '127.0.0.1:8080';
const port = listen.slice(listen.lastIndexOf(':') + 1);
const ok = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(4000) }).then(
  (answer) => answer.ok,
  () => false,
);
process.exit(ok ? 0 : 1);
