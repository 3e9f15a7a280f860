/**
 * What an idle installation costs: pure.
 */
import type { Bar } from '../bench.ts';
import type { Memory, Reading } from '../idle-usage.ts';
import { formatSummary, type Summary, summarize } from '../statistics.ts';
import { quantilesOf } from './events.ts';

/** `here` is this checkout, `there` the one of `--against`. */
export type Checkout = 'here' | 'there';

export interface Subject {
  checkout: Checkout;
  processes: number;
}

/** One installation in one round. */
export interface Sample extends Memory {
  /** Of one core. */
  serverPercent: number;
  postgresPercent: number;
  serverWakeupsPerS: number;
  postgresWakeupsPerS: number;
  transactionsPerS: number;
  walBytesPerS: number;
}

export interface Measured extends Subject {
  rounds: readonly Sample[];
  /** From the commit of a single creation to the commit of its projection, each after a pause. */
  visibleMs: readonly number[];
}

const CPU_PERCENT_MAX = 1;
const MEMORY_MIB_MAX = 200;

/** Between two readings; the later one's own transaction is not counted. */
export function sampleOf(before: Reading, after: Reading, memory: Memory): Sample {
  const seconds = (after.atMs - before.atMs) / 1000;
  const perS = (read: (reading: Reading) => number) => (read(after) - read(before)) / seconds;
  return {
    ...memory,
    serverPercent: perS(({ server }) => server.cpuMs) / 10,
    postgresPercent: perS(({ postgres }) => postgres.cpuMs) / 10,
    serverWakeupsPerS: perS(({ server }) => server.wakeups),
    postgresWakeupsPerS: perS(({ postgres }) => postgres.wakeups),
    transactionsPerS: Math.max(0, perS(({ transactions }) => transactions) - 1 / seconds),
    walBytesPerS: perS(({ walBytes }) => walBytes),
  };
}

const summaryOf = ({ rounds }: Measured, read: (sample: Sample) => number): Summary =>
  summarize(rounds.map(read));
const cpuOf = ({ serverPercent, postgresPercent }: Sample) => serverPercent + postgresPercent;
const memoryOf = ({ serverMib, postgresMib }: Sample) => serverMib + postgresMib;

export function judge(measured: readonly Measured[]): Bar[] {
  const one = measured.find(({ checkout, processes }) => checkout === 'here' && processes === 1);
  if (!one) throw new Error('one process of this checkout is always measured');
  const cpu = summaryOf(one, cpuOf);
  const memory = summaryOf(one, memoryOf);
  return [
    {
      claim: `one process and Postgres, idle: less than ${CPU_PERCENT_MAX} % of a core`,
      measured: `${formatSummary(cpu, 2)} %`,
      isMet: cpu.median < CPU_PERCENT_MAX,
    },
    {
      claim: `and less than ${MEMORY_MIB_MAX} MiB of memory (PSS)`,
      measured: `${formatSummary(memory, 0)} MiB`,
      isMet: memory.median < MEMORY_MIB_MAX,
    },
  ];
}

const nameOf = ({ checkout, processes }: Subject) =>
  `${checkout === 'here' ? 'this checkout' : 'the other'}, ${processes} process${processes === 1 ? '' : 'es'}`;

function formatRow(measured: Measured): string {
  const of = (read: (sample: Sample) => number, digits: number) =>
    formatSummary(summaryOf(measured, read), digits);
  const cells = [
    nameOf(measured),
    of(cpuOf, 2),
    of(({ serverPercent }) => serverPercent, 2),
    of(({ postgresPercent }) => postgresPercent, 2),
    of(({ transactionsPerS }) => transactionsPerS, 1),
    of(({ serverWakeupsPerS }) => serverWakeupsPerS, 0),
    of(({ postgresWakeupsPerS }) => postgresWakeupsPerS, 0),
    of(({ walBytesPerS }) => walBytesPerS, 0),
    of(({ serverMib }) => serverMib, 0),
    of(({ postgresMib }) => postgresMib, 0),
  ];
  return `| ${cells.join(' | ')} |`;
}

function formatDelays(measured: Measured): string {
  const { p50, p90, p99, max } = quantilesOf(measured.visibleMs);
  return `| ${[nameOf(measured), ...[p50, p90, p99, max].map((ms) => ms.toFixed(1))].join(' | ')} |`;
}

export function formatIdle(
  measured: readonly Measured[],
  { rounds, seconds, other }: { rounds: number; seconds: number; other: string | undefined },
): string {
  const against = other === undefined ? '' : ` The other checkout is ${other}.`;
  return `Medians (and least–most) of ${rounds} rounds of ${seconds} s, all installations at once, nothing asked of any of them.${against}

| | CPU % | server | Postgres | transactions/s | server wake-ups/s | Postgres wake-ups/s | log bytes/s | server MiB | Postgres MiB |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${measured.map(formatRow).join('\n')}

Then single creations, each over a connection of its own and after a pause; ms from its commit to the commit of the projection:

| | p50 | p90 | p99 | most |
| --- | --- | --- | --- | --- |
${measured.map(formatDelays).join('\n')}

CPU is of one core. The server is all its processes, the supervisor too; memory that is shared counts once.`;
}
