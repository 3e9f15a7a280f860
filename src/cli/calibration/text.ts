/**
 * A calibration for people.
 */
import { formatWhole } from '#base/values/numbers';
import { type BlockCapacity, type Calibration, peakOf, type RouteCapacity } from '#blocks/plan';
import { alignColumns } from '../text/text.ts';

const micros = (value: number | null) => (value === null ? '-' : formatWhole(value));

function law(scalability: BlockCapacity['scalability']): string[] {
  if (scalability === null) return ['-', '-', '-', '-'];
  const { lambda, sigma, kappa } = scalability;
  const peak = peakOf(scalability);
  const range = (name: 'low' | 'high') => `${sigma[name].toFixed(2)}`;
  return [
    `${formatWhole(lambda.value)} (${formatWhole(lambda.low)}–${formatWhole(lambda.high)})`,
    `${sigma.value.toFixed(2)} (${range('low')}–${range('high')})`,
    `${kappa.value.toFixed(5)} (${kappa.low.toFixed(5)}–${kappa.high.toFixed(5)})`,
    peak === undefined ? 'none' : formatWhole(peak.concurrency),
  ];
}

const LAW = ['LAMBDA', 'SIGMA', 'KAPPA', 'PEAK AT'];

/** A name, marked where others were busy. */
const marked = (name: string, { quality }: Calibration) =>
  quality?.disturbed.includes(name) ? `${name} ~` : name;

function routeRow(calibration: Calibration, [name, route]: [string, RouteCapacity]): string[] {
  const { kneePerS, kneeP99Ms, serviceMs, serverCpuUs, postgresCpuUs, limitedBy, scalability } = route;
  return [
    marked(name, calibration),
    `${formatWhole(kneePerS)}${limitedBy === 'generator' ? '+' : ''}`,
    kneeP99Ms.toFixed(0),
    serviceMs.toFixed(2),
    micros(serverCpuUs),
    micros(postgresCpuUs),
    ...law(scalability),
  ];
}

function blockRow(calibration: Calibration, [name, block]: [string, BlockCapacity]): string[] {
  const { perS, serverCpuUs, postgresCpuUs, scalability } = block;
  return [
    marked(name, calibration),
    formatWhole(perS),
    micros(serverCpuUs),
    micros(postgresCpuUs),
    ...law(scalability),
  ];
}

/** What was measured of a system for itself, as `notes.add`. */
function routesOfSystems({ systems = {} }: Calibration): [string, RouteCapacity][] {
  return Object.entries(systems).flatMap(([system, routes]) =>
    Object.entries(routes).map(([name, route]): [string, RouteCapacity] => [`${system}.${name}`, route]),
  );
}

/** How far the figures are to be trusted; nothing where the machine was quiet. */
function describeQuality({ quality }: Calibration): string {
  if (quality === undefined) return '';
  const { disturbed, othersShareMax, contradictions } = quality;
  const others = `\n~: other processes, or the host, had up to ${Math.round(othersShareMax * 100)} % of the cores while it was measured, each time: it can do more.`;
  return [disturbed.length > 0 ? others : '', ...contradictions.map((each) => `\n!: ${each}`)].join('');
}

/** Tables of routes and blocks, and what their columns mean. */
export function renderCalibration(calibration: Calibration): string {
  const { machine, placement, knee, blocks } = calibration;
  const routes = [...Object.entries(calibration.routes), ...routesOfSystems(calibration)];
  const routeRows = routes.map((each) => routeRow(calibration, each));
  const blockRows = Object.entries(blocks).map((each) => blockRow(calibration, each));
  const hasLimit = routes.some(([, { limitedBy }]) => limitedBy === 'generator');
  const where = placement.generatorApart
    ? `the server and its Postgres on ${placement.serverCores} core${placement.serverCores === 1 ? '' : 's'}, the generator on another`
    : 'the server, its Postgres and the generator on the same core: what the server can do is more';
  return `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB; ${where}

${alignColumns([['ROUTE', 'KNEE/S', 'P99 MS', 'ALONE MS', 'SERVER US', 'POSTGRES US', ...LAW], ...routeRows])}

${alignColumns([['BLOCK', 'MOST/S', 'CLIENT US', 'POSTGRES US', ...LAW], ...blockRows])}

KNEE: the highest rate, for ${knee.seconds} s, at which ${knee.answeredShareMin * 100} % were answered well within ${knee.p99MsMax} ms. US: CPU time for each, in microseconds.
LAMBDA, SIGMA, KAPPA: the universal scalability law, with 95 % intervals.${hasLimit ? '\n+: the generator gave way before the server did.' : ''}${describeQuality(calibration)}`;
}
