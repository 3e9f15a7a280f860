/**
 * Where options come from, later ones winning: defaults, loadstone.yaml, environment, flags.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import Type, { type TObject } from 'typebox';
import { optionsErrors, parseOptions } from '#base/options';
import type { SystemDefinition } from '#blocks/system';
import { parseListen } from '#server/http/listen-address';
import { type ServerOptions, serverOptions } from '#server/options';
import { isSystemPath, loadSystems } from '#server/systems/systems';
import { noteFault } from './flag-fault.ts';

/** What flags may set. */
export interface StartFlags {
  config?: string | undefined;
  data?: string | undefined;
  listen?: string | undefined;
  publicUrl?: string | undefined;
  systems?: string | undefined;
  database?: string | undefined;
  logLevel?: string | undefined;
  logFormat?: string | undefined;
  processes?: string | undefined;
  role?: string | undefined;
  /** The data directory of an installation whose owner runs already. */
  join?: string | undefined;
  /** Start anew what serves when a file of a system changes that is named by a path. */
  watch?: boolean | undefined;
}

export interface Configuration {
  options: ServerOptions;
  /** Each system's parsed options, by its name. */
  systemOptions: Record<string, unknown>;
  definitions: SystemDefinition[];
  /** Whether the process stands beside the one that owns the data directory. */
  isJoined: boolean;
}

const DEFAULT_FILE = 'loadstone.yaml';
/** The embedded Postgres takes 60 connections: under load ten processes had 34, and sixteen ran out of them. */
const EMBEDDED_PROCESSES_MAX = 10;

function invalid(detail: string, cause?: unknown): Error {
  return optionsErrors.option_invalid({ detail, cause });
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw invalid(`config: ${file} cannot be read`, cause);
  }
}

async function readYaml(file: string): Promise<Record<string, unknown>> {
  // Loaded here: most starts have no file, and it is a twentieth of all there is to load.
  const { parseDocument } = await import('yaml');
  const document = parseDocument(readText(file), { prettyErrors: true });
  const problem = document.errors[0];
  if (problem) throw invalid(`${file}: ${problem.message.split('\n')[0]?.replace(/:$/, '')}`);
  const value: unknown = document.toJS() ?? {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid(`${file}: must be a mapping of options`);
  return value as Record<string, unknown>;
}

/** Names and paths; those of the file start from its directory, but these from the working directory. */
export function splitSystems(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => (isSystemPath(part) ? resolve(part) : part));
}

/** What is no number is left as it is, for the refusal to show. */
function toNumber(text: string): number | string {
  return /^\d{1,9}$/.test(text) ? Number(text) : text;
}

function logLayer(level: string | undefined, format: string | undefined) {
  if (level === undefined && format === undefined) return undefined;
  return { ...(level === undefined ? {} : { level }), ...(format === undefined ? {} : { format }) };
}

/** The options that one layer of flags or environment sets. */
function layer(values: Omit<StartFlags, 'config'>): Record<string, unknown> {
  const { data, listen, publicUrl, systems, database, logLevel, logFormat, processes, role, join } = values;
  const set = {
    data: join ?? data,
    listen,
    publicUrl,
    processes: processes === undefined ? undefined : toNumber(processes),
    role,
    systems: systems === undefined ? undefined : splitSystems(systems),
    database: database === undefined ? undefined : { primary: database },
    log: logLayer(logLevel, logFormat),
  };
  return Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined));
}

function environmentLayer(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const endpoint = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const flags = layer({
    data: env.LOADSTONE_DATA,
    listen: env.LOADSTONE_LISTEN,
    publicUrl: env.LOADSTONE_PUBLIC_URL,
    systems: env.LOADSTONE_SYSTEMS,
    database: env.LOADSTONE_DATABASE,
    logLevel: env.LOADSTONE_LOG_LEVEL,
    logFormat: env.LOADSTONE_LOG_FORMAT,
    processes: env.LOADSTONE_PROCESSES,
    role: env.LOADSTONE_ROLE,
  });
  return endpoint ? { ...flags, traces: { endpoint } } : flags;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function merge(under: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isMapping(below) && isMapping(value) ? merge(below, value) : value;
  }
  return merged;
}

function locateFile(flag: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const named = flag ?? env.LOADSTONE_CONFIG;
  if (named === undefined) return existsSync(DEFAULT_FILE) ? resolve(DEFAULT_FILE) : undefined;
  if (!existsSync(named)) throw invalid(`config: ${named} does not exist`);
  return resolve(named);
}

/**
 * What only the flags can say. A joined process is one, and takes a free port unless told otherwise, since the address in
 * the file is the owner's.
 */
function forJoining(
  raw: Record<string, unknown>,
  { data, listen, join, processes, watch }: StartFlags,
  env: NodeJS.ProcessEnv,
): Record<string, unknown> {
  if (join === undefined) return raw;
  if (data !== undefined) throw invalid('join: names the data directory already; leave out --data');
  if (processes !== undefined) throw invalid('join: adds one process; leave out --processes');
  if (watch) throw invalid('watch: restarts all that serve; give it to the start that is joined');
  if (isMapping(raw.database) && raw.database.primary !== undefined) {
    throw invalid(
      'join: with database.primary nobody owns the database, and any process may be started beside others; leave out --join',
    );
  }
  const own = listen ?? env.LOADSTONE_LISTEN;
  const host = String(raw.listen ?? '127.0.0.1:0').replace(/:\d+$/, '');
  return { ...raw, processes: 1, listen: own ?? `${host}:0` };
}

/**
 * @throws option_invalid, system_invalid with one line for a person
 */
export async function readConfiguration(flags: StartFlags, env: NodeJS.ProcessEnv): Promise<Configuration> {
  try {
    return await read(flags, env);
  } catch (error) {
    throw noteFault(error, { ...flags });
  }
}

async function read(flags: StartFlags, env: NodeJS.ProcessEnv): Promise<Configuration> {
  const file = locateFile(flags.config, env);
  const { config: _, ...rest } = flags;
  const layers = [file === undefined ? {} : await readYaml(file), environmentLayer(env), layer(rest)];
  const raw = forJoining(layers.reduce(merge), flags, env);
  const listed = parseOptions(Type.Object({ systems: serverOptions.properties.systems }), {
    ...pickSystems(raw),
  });
  if (flags.watch && !listed.systems.some(isSystemPath))
    throw invalid('watch: nothing to watch; name a system by its path, such as --systems ./my-system');
  const from = file === undefined ? process.cwd() : dirname(file);
  const definitions = await loadSystems(listed.systems, from);
  const systems = listed.systems.map((name) => (isSystemPath(name) ? resolve(from, name) : name));
  const whole = withSystems(definitions);
  const { ...parsed } = parseOptions(whole, raw) as ServerOptions & Record<string, unknown>;
  checkAddresses(parsed);
  checkProcesses(parsed);
  const systemOptions = Object.fromEntries(definitions.map(({ name }) => [name, parsed[name]]));
  return { options: { ...parsed, systems }, systemOptions, definitions, isJoined: flags.join !== undefined };
}

function pickSystems(raw: Record<string, unknown>): object {
  return raw.systems === undefined ? {} : { systems: raw.systems };
}

function checkProcesses({ processes, database }: ServerOptions): void {
  if (database.primary !== undefined || processes <= EMBEDDED_PROCESSES_MAX) return;
  throw invalid(
    `processes: ${processes} are more than the embedded Postgres has connections for; allowed is 1 to ${EMBEDDED_PROCESSES_MAX}, or more with database.primary`,
  );
}

/** What a pattern cannot tell: whether the address to listen on and the proxies' networks can exist. */
function checkAddresses({ listen, trustedProxies }: ServerOptions): void {
  parseListen(listen);
  for (const [index, network] of trustedProxies.entries()) {
    const [address = '', prefix = '0'] = network.split('/');
    const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
    if (Number(prefix) > bits) {
      throw invalid(
        `trustedProxies.${index}: ${JSON.stringify(network)} is not allowed; allowed is an IP address or a network such as 10.0.0.0/8`,
      );
    }
  }
}

/** The schema of the whole configuration: the server's and each system's under its name. */
function withSystems(definitions: readonly SystemDefinition[]): TObject {
  const own = Object.fromEntries(definitions.map(({ name, options }) => [name, options]));
  return Type.Object({ ...serverOptions.properties, ...own }, { additionalProperties: false }) as TObject;
}
