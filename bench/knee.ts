/**
 * The first plan scored: `loadstone calibrate` runs, the knee of the redirect and of the create route is predicted from the
 * law that it has fitted and written down, and then measured on another, fresh installation, with rates of its own.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#base/clock';
import { type Random, seededRandom } from '#base/random';
import {
  createLoad,
  encodeRequest,
  findKnee,
  judgeRate,
  type KneeRule,
  type LoadRequest,
  parseOrigin,
} from '#blocks/load';
import { parseCalibration, predictKnee } from '#blocks/plan';
import type { Bench, BenchOptions, Workplace } from './bench.ts';
import { createClient, createLinks } from './links.ts';
import { createDataPlace, startLoadstone } from './loadstone.ts';
import { chooseCores, pinned, ROOT } from './machine.ts';
import { pinProcesses } from './postgres-usage.ts';
import { formatKnees, judge, type Prediction, type Round } from './reports/knee.ts';

const ROUTES = ['redirect', 'create'] as const;
type Route = (typeof ROUTES)[number];
const LINKS = 10_000;
const LINKS_QUICK = 2000;
const CALIBRATE_MS_MAX = 300_000;
const TRIALS_MAX = 12;
const PRECISION = 1.04;
const WARM_UP_MS = 3000;
const TIMEOUT_MS = 1000;
const MAIN = join(ROOT, 'src/cli/main.ts');

interface Predicted {
  rule: KneeRule;
  predictions: Record<Route, Prediction>;
}

/** Runs `loadstone calibrate`, and writes what follows from it before anything is measured. */
async function predict(
  { directory, children, say }: Workplace,
  { isQuick, connections }: BenchOptions,
): Promise<Predicted> {
  say('calibrating');
  const file = join(directory, 'calibration.json');
  const flags = ['calibrate', '--out', file, ...(isQuick ? ['--quick'] : [])];
  const child = children.start([process.execPath, MAIN, ...flags], {
    errorFile: join(directory, 'calibrate.err'),
    hasChannel: true,
  });
  await child.ended(CALIBRATE_MS_MAX);
  const { routes, knee } = parseCalibration(readFileSync(file, 'utf8'), file);
  const rule: KneeRule = { withinMs: knee.p99MsMax, shareMin: knee.answeredShareMin };
  const of = (name: 'redirectHit' | 'create'): Prediction => {
    const { scalability, kneePerS, points } = routes[name];
    if (scalability === null) {
      throw new Error(
        `${name}: its throughputs do not follow the law, so nothing can be predicted: ${JSON.stringify(points)}`,
      );
    }
    const predicted = predictKnee(scalability, { connections, withinMs: rule.withinMs });
    return { ...predicted, scalability, points, calibratedPerS: kneePerS };
  };
  const predictions = { redirect: of('redirectHit'), create: of('create') };
  const written = { writtenAt: new Date().toISOString(), rule, predictions };
  writeFileSync(join(directory, 'prediction.json'), JSON.stringify(written));
  for (const route of ROUTES) {
    say(`predicted for ${route}: ${predictions[route].perS.toFixed(0)} a second`);
  }
  return written;
}

/** The requests of each route, drawn by seed. */
function createRequests(codes: readonly string[], origin: string, key: string, random: Random) {
  const { authority } = parseOrigin(origin);
  const follow = codes.map((code): LoadRequest => {
    const request = { method: 'GET', path: `/${code}`, headers: {} };
    return { ...request, encoded: encodeRequest(request, authority) };
  });
  let made = 0;
  return {
    redirect: () => follow[Math.floor(random.fraction() * follow.length)] as LoadRequest,
    create: (): LoadRequest => ({
      method: 'POST',
      path: '/v1/links',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'idempotency-key': `knee-${made}`,
      },
      body: JSON.stringify({
        url: `https://shop.example.com/en/collections/summer/products/${made++}?utm_source=newsletter&utm_medium=email`,
      }),
    }),
  };
}

async function measureKnee(
  next: () => LoadRequest,
  { origin, random, rule, startPerS }: { origin: string; random: Random; rule: KneeRule; startPerS: number },
  { connections, seconds }: BenchOptions,
) {
  async function drive(ratePerS: number, forMs: number) {
    const load = createLoad(
      {
        ...{ origin, ratePerS, connections, arrivals: 'poisson', durationMs: forMs },
        ...{ pendingMax: Math.ceil(ratePerS), timeoutMs: TIMEOUT_MS, answers: 'status' },
      },
      { clock: systemClock, random, next },
    );
    return judgeRate(ratePerS, await load.run(new AbortController().signal), rule);
  }
  await drive(startPerS / 2, WARM_UP_MS);
  return findKnee(
    { guessPerS: startPerS, trialsMax: TRIALS_MAX, precision: PRECISION, triesAgain: true },
    (ratePerS) => drive(ratePerS, (seconds * 1000) / 2),
  );
}

async function measureRounds(
  workplace: Workplace,
  options: BenchOptions,
  { rule, predictions }: Predicted,
): Promise<Round[]> {
  const { say } = workplace;
  const { rounds, isQuick } = options;
  const cores = chooseCores();
  pinProcesses([process.pid], [cores.load]);
  const place = createDataPlace(workplace);
  const command = pinned(cores.server, [process.execPath, MAIN, 'start']);
  const origin = await startLoadstone(workplace, place, command, { hasChannel: true }).address;
  const client = createClient();
  const targets = await createLinks(client, origin, place.key, isQuick ? LINKS_QUICK : LINKS);
  client.close();
  const codes = targets.map(([code]) => code);
  const measured: Round[] = [];
  const requests = createRequests(codes, origin, place.key, seededRandom(rounds));
  for (let number = 1; number <= rounds; number++) {
    const random = seededRandom(number);
    const round: Partial<Round> = {};
    for (const route of ROUTES) {
      const startPerS = predictions[route].perS;
      const found = await measureKnee(requests[route], { origin, random, rule, startPerS }, options);
      if (!found.held) throw new Error(`${route}: no rate was held: ${JSON.stringify(found.trials)}`);
      round[route] = { perS: found.held.ratePerS, trials: found.trials };
      say(`round ${number} ${route}: ${found.held.ratePerS.toFixed(0)} a second`);
    }
    measured.push(round as Round);
  }
  return measured;
}

export const knee: Bench = {
  summary:
    'the knee of the redirect and the create route, predicted from calibrate, then measured; bar: 25 %',
  async run(options, workplace) {
    const predicted = await predict(workplace, options);
    const rounds = await measureRounds(workplace, options, predicted);
    return {
      bars: judge(predicted.predictions, rounds),
      data: { predicted, measured: rounds },
      text: formatKnees(predicted, rounds, options),
    };
  },
};
