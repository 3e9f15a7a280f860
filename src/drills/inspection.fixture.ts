/**
 * A system with two streams, for tests of what a drill reads of them.
 */
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { defineEvent } from '#blocks/stream';
import { defineRoute, defineSystem, handleRoute } from '#blocks/system';

const Told = Type.Object({ key: Type.String() }, { additionalProperties: false });
const about = (stream: string) => ({ stream, key: ({ key }: { key: string }) => key });

const opened = defineEvent('pair.opened', Told, {
  ...about('pair'),
  version: 2,
  upgrades: { 1: (old: Record<string, unknown>) => old },
});
const closed = defineEvent('pair.closed', Told, about('pair'));
const seen = defineEvent('pair.seen', Told, about('pair_more'));

const tell = defineRoute({
  method: 'POST',
  path: '/v1/pair/:event',
  idempotency: 'none',
  id: 'tellPair',
  summary: 'Tell',
  access: 'pair:write',
  params: Type.Object({ event: Type.Union(['opened', 'closed', 'seen'].map((name) => Type.Literal(name))) }),
  body: Told,
  replies: { 204: null },
});

/** The module that a server's `systems` names. */
export const pairPath: string = import.meta.filename;

export default defineSystem({
  name: 'pair',
  summary: 'Two streams.',
  options: optionsSchema({}),
  streams: [{ name: 'pair' }, { name: 'pair_more' }],
  create: () => ({
    routes: [
      handleRoute(tell, async ({ params: { event }, body }, { mutate }) =>
        mutate(
          { shardKey: body.key },
          async (tx) => tx.publish({ opened, closed, seen }[event as 'seen'].of(body)),
          () => ({ status: 204 }),
        ),
      ),
    ],
  }),
});
