/**
 * A process that a supervisor starts, without a server: it hears orders late, as one does that loads a system from
 * elsewhere, and does nothing but what they say. Its words say how it differs: `crashes` when it may begin, `loops` for ever
 * when it is told to drain.
 */
import { createServer } from 'node:net';
import { sleep, systemClock } from '#base/clock';
import { BINDS_FIRST, type FromChild, type FromSupervisor } from './child-messages.ts';

const DEAF_MS = 100;
const manners = process.argv.slice(2);
const tell = (message: FromChild) => process.send?.(message);
const server = createServer();
const listen = () => server.listen({ host: '127.0.0.1', port: 0 });

function begin(): void {
  if (manners.includes('crashes')) process.exit(7);
  if (!server.listening) listen();
  tell({ kind: 'ready' });
}

function drain(): void {
  while (manners.includes('loops'));
  process.exit(0);
}

if (process.env[BINDS_FIRST] !== undefined) listen();
await sleep(systemClock, DEAF_MS);
process.on('message', ({ kind }: FromSupervisor) => {
  if (kind === 'begin') begin();
  else if (kind === 'are_you_alive') tell({ kind: 'alive' });
  else if (kind === 'drain') drain();
  else if (kind === 'stop_at_once') process.exit(0);
});
tell({ kind: 'attentive' });
