import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const wakeupOptions = optionsSchema(
  {
    listen: Type.Boolean({
      default: true,
      description:
        'Whether processes tell each other of news, over one more connection of each. Without it, and behind a pooler such as PgBouncer, which is noticed, each looks every `outbox.pollMs`, `stream.pollMs` and `queue.pollMs`.',
    }),
    lookMsMax: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 6000,
      description:
        'How often a process that is told of news looks all the same, once nothing has happened for a while: for what was not told, as by a process that was killed just before.',
    }),
  },
  'Wakeups: how processes learn of each other’s news.',
);

export type WakeupOptions = Static<typeof wakeupOptions>;
