/**
 * The commands that look at an installation and repair it: beside a server that serves, and without one.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { identifier, type Queryable, sql } from '#blocks/database';
import { locateEmbedded } from '#blocks/postgres';
import { lookInto } from '#fixtures/database';
import { prepareTrial } from './packaging/trial.fixture.ts';
import {
  createScene,
  FREE_PORT,
  type Loadstone,
  noPostgresIn,
  processesIn,
  ROOT,
  type RunOptions,
} from './process.fixture.ts';

const scene = createScene({ after });
const KEY = 'a-root-key-for-the-command-tests';
/** The program without its bootstrap, which installs what is missing: there are many commands here. */
const COMMAND: readonly [string, string] = [process.execPath, join(ROOT, 'src', 'cli', 'main.ts')];
const INTERRUPTED = { code: 130, signal: null };

let cwd: string;
let env: Record<string, string>;
/** How commands are run: where the server's configuration is. */
let here: RunOptions;
let trial: ReturnType<typeof prepareTrial>;
let server: Loadstone;

before(async () => {
  cwd = scene.directory();
  trial = prepareTrial(cwd);
  env = { TRIAL_DIRECTORY: trial.directory, LOADSTONE_ROOT_KEY: KEY };
  const cache = join(ROOT, 'node_modules', '.cache', 'loadstone');
  here = { cwd, command: COMMAND, env: { ...env, NODE_COMPILE_CACHE: cache } };
  const system = join(ROOT, 'src', 'cli', 'packaging', 'trial.fixture.ts');
  writeFileSync(join(cwd, 'loadstone.yaml'), `systems: [links, ${system}]\nstream: {attemptsMax: 1}\n`);
  server = await scene.start({ cwd, data: join(cwd, 'data'), args: ['--listen', FREE_PORT], env, key: KEY });
});

/** Runs a command to its end beside the server, which it must not disturb, and gives what it said. */
async function run(line: string, status = 0): Promise<string> {
  const { code, stdout, stderr } = await scene.run(line.split(' '), here);
  assert.equal(code, status, stdout + stderr);
  assert.equal(stderr, '');
  return stdout;
}

const json = async <T = Record<string, unknown>>(line: string, status = 0): Promise<T> =>
  JSON.parse(await run(`${line} --json`, status));

/** What a command is refused with: one line, and nothing on standard output. */
async function refusal(line: string, status = 1): Promise<string> {
  const { code, stdout, stderr } = await scene.run(line.split(' '), here);
  assert.deepEqual([code, stdout], [status, ''], stderr);
  assert.match(stderr, /^loadstone: [^\n]+\n$/);
  return stderr.replace(/^loadstone: |\n$/g, '');
}

async function post(path: string, body: object): Promise<Record<string, unknown>> {
  const reply = await server.request(path, { method: 'POST', body });
  const answer = (await reply.json()) as Record<string, unknown>;
  assert.equal(reply.status, 201, JSON.stringify(answer));
  return answer;
}

async function enqueue(job: object): Promise<string> {
  const { jobIds } = await post('/v1/trial', job);
  return (jobIds as string[])[0] ?? '';
}

/** As the API tells it, which costs no process. */
const stateOf = async (id: string) =>
  ((await (await server.request(`/v1/jobs/${id}`)).json()) as { state: string }).state;
const untilState = (id: string, state: string) =>
  eventually(`job ${id} is ${state}`, async () => (await stateOf(id)) === state);

async function withAdmin<T>(work: (admin: Queryable) => Promise<T>): Promise<T> {
  const url = locateEmbedded(server.data);
  assert(url !== undefined);
  const { admin, close } = lookInto(url);
  return work(admin).finally(close);
}

describe('jobs, beside a server', () => {
  test('a scheduled one: listed, shown, explained, run at once', async () => {
    const { id: linkId } = await post('/v1/links', { url: 'https://example.com/', ttl: 3600 });
    const [listed, { items }] = await Promise.all([
      run('jobs ls --queue links_expiry --state scheduled'),
      json<{ items: { id: string; uniqueKey: string }[] }>('jobs ls --queue links_expiry'),
    ]);
    const id = items[0]?.id ?? '';
    assert.equal(items[0]?.uniqueKey, linkId);
    assert.match(
      listed,
      /^ID +QUEUE +STATE +ATTEMPTS +ENQUEUED +RUNS +ENDED +NOTE\n\d+ +links_expiry +scheduled +0\/10 +[\d-]+T[\d:]+Z +[\d-]+T[\d:]+Z +-\n$/,
    );
    const [shown, why] = await Promise.all([run(`jobs show ${id}`), run(`jobs why ${id}`)]);
    assert.match(shown, new RegExp(`^job +${id}\n(.*\n)*state +scheduled\n(.*\n)*unique key +${linkId}\n`));
    assert.match(why, new RegExp(`^job ${id}: it waits for its time, \\S+Z \\(in \\d+ min\\)\n$`));

    const said = await run(`jobs retry ${id}`);
    assert.match(said, /waited for its time, and runs now(; it has put job \d+ in its place)?\n$/);
    // It finds that the link is not due yet, and has another one wait for that.
    await untilState(id, 'replaced');
    const { replacedBy } = await json<{ replacedBy: string }>(`jobs show ${id}`);
    assert.equal(await refusal(`jobs retry ${id}`), `job ${id} is replaced by job ${replacedBy}`);
  });

  test('dead ones: why, retried once what was wrong has been repaired, redriven, discarded', async () => {
    const ids = [];
    for (let n = 0; n < 4; n++) ids.push(await enqueue({ queue: 'trial_once' }));
    const [one, two, three, four] = ids as [string, string, string, string];
    for (const id of ids) await untilState(id, 'dead');
    const [why, listed] = await Promise.all([
      run(`jobs why ${one}`),
      run('jobs ls --queue trial_once --state dead --limit 2'),
    ]);
    assert.match(
      why,
      /it is dead, after 1 attempt: the part is broken; run it again with: loadstone jobs retry \d+\n$/,
    );
    assert.deepEqual(
      listed.match(/^\d{15,}/gm),
      [four, three],
      'newest first, and an error of several lines takes one',
    );
    assert.match(listed, new RegExp(`\nolder ones: --before ${three}\n$`));
    const older = await json<{ items: { id: string }[]; nextBefore: null }>(
      `jobs ls --queue trial_once --state dead --before ${three}`,
    );
    assert.deepEqual(
      older.items.map(({ id }) => id),
      [two, one],
    );
    assert.equal(older.nextBefore, null);

    const runAgain = await enqueue({ queue: 'trial_again' });
    await untilState(runAgain, 'scheduled');
    const { waitsFor, lastError, until } = await json(`jobs why ${runAgain}`);
    assert.deepEqual([waitsFor, lastError], ['backoff', 'the part is broken']);
    assert(!Number.isNaN(Date.parse(until as string)));

    assert.match(await run(`jobs discard ${four}`), /is discarded\n$/);
    assert.equal(await stateOf(four), 'discarded');
    trial.allow('repaired');
    assert.match(
      await run(`jobs retry ${one}`),
      /was dead, and runs again with all its attempts(; it is done)?\n$/,
    );
    await untilState(one, 'done');
    assert.deepEqual((await json(`jobs show ${one}`)).result, { repaired: true });
    assert.deepEqual(await json('jobs redrive trial_once --limit 1'), {
      queue: 'trial_once',
      redriven: 1,
      isAnyLeft: true,
    });
    await untilState(three, 'done');
    assert.equal(await stateOf(two), 'dead');
  });

  test('running ones, and those that wait for them', async () => {
    const running = await enqueue({ queue: 'trial_slow', concurrencyKey: 'car' });
    const original = await enqueue({ queue: 'trial_slow', uniqueKey: 'tyre' });
    for (const id of [running, original]) await untilState(id, 'running');
    const sameKey = await enqueue({ queue: 'trial_slow', concurrencyKey: 'car' });
    const twin = await enqueue({ queue: 'trial_slow', uniqueKey: 'tyre', onDuplicate: 'replace' });
    const [ofSameKey, ofTwin, retried] = await Promise.all([
      run(`jobs why ${sameKey}`),
      run(`jobs why ${twin}`),
      refusal(`jobs retry ${running}`),
    ]);
    assert.match(ofSameKey, /it waits for its concurrency key car: 1 with it run, and no more than 1 may\n$/);
    assert.match(ofTwin, /it waits for another job with the unique key tyre, which runs\n$/);
    assert.equal(retried, `job ${running} is running`);

    const asked = await run('jobs drain trial_slow', 2);
    assert.match(
      asked,
      /^2 jobs of the queue trial_slow wait: 1 ready, 1 held\b|^2 jobs of the queue trial_slow wait: 2 ready/,
    );
    assert.match(
      asked,
      /Nothing has been discarded; to discard them: loadstone jobs drain trial_slow --yes\n$/,
    );
    assert.deepEqual(
      await Promise.all([sameKey, twin].map(stateOf)).then((all) => all.includes('discarded')),
      false,
    );
    const drained = await json<{ discarded: number; isConfirmed: boolean }>('jobs drain trial_slow --yes');
    assert.deepEqual([drained.discarded, drained.isConfirmed], [2, true]);
    const states = await Promise.all([running, sameKey, twin].map(stateOf));
    assert.deepEqual(states, ['running', 'discarded', 'discarded']);
    trial.allow('released');
    await untilState(running, 'done');
  });

  test('what is not there, on one line', async () => {
    const [listed, shown, ofNobody] = await Promise.all([
      refusal('jobs ls --queue nowhere'),
      refusal('jobs show abc'),
      run('jobs ls --workspace 99'),
    ]);
    assert.deepEqual([listed, shown, ofNobody], ['no queue nowhere', 'no job abc', 'no jobs\n']);
  });
});

describe('groups, beside a server', () => {
  const parkedIn = async () =>
    withAdmin(async (admin) => {
      const row = await admin.first<{ parked: number }>(
        sql`select count(*)::integer as parked from core.stream_aside where parked_at is not null`,
      );
      return row?.parked ?? 0;
    });

  test('parked events: listed, redriven, discarded', async () => {
    rmSync(join(trial.directory, 'repaired'), { force: true });
    for (const thing of ['bad-1', 'good', 'bad-2']) await post('/v1/trial', { thing });
    await eventually('two events are parked', async () => (await parkedIn()) === 2);
    const [listed, parked, verified] = await Promise.all([
      run('groups ls'),
      json<{ items: { position: string; key: string; error: string; payload: object }[]; nextAfter: string }>(
        'groups parked trial trial_seen --limit 1',
      ),
      run('verify trial', 1),
    ]);
    assert.match(listed, /^STREAM +GROUP +LAG +OLDEST +PARTITIONS +EXPIRED +MEMBERS +PARKED\n/);
    assert.match(listed, /\ntrial +trial_seen +0 +- +2 +0 +1 +2\n$/);
    assert.match(listed, /\nlinks +links_counts +\d+ /);
    const [first] = parked.items;
    assert.equal(first?.key, 'bad-1');
    assert.deepEqual(first?.payload, { thing: 'bad-1' });
    assert.equal(parked.nextAfter, first?.position);
    assert.match(verified, /^projection trial_seen: 2 differences; 3 rows compared\n/);
    assert.match(
      verified,
      /\n {2}the row thing bad-1 is missing; it should have bucket \d+, workspace_id \d+\n/,
    );
    assert.match(verified, /\(workspace \d+, key bad-2\) cannot be applied: a bad thing\n/);
    assert.match(verified, /2 keys with parked events: loadstone groups parked trial trial_seen\n$/);

    const rest = await run(`groups parked trial trial_seen --after ${first?.position}`);
    assert.match(rest, /\n\d+ +\S+Z +1 +0 +\d+ +thing\.made +bad-2 +a bad thing\n$/);
    const position = rest.match(/^\d+/m)?.[0] ?? '';
    trial.allow('repaired');
    assert.equal(
      await run(`groups redrive trial trial_seen ${position}`),
      '1 parked event of trial/trial_seen redriven\n',
    );
    await eventually('it has been handled', async () => (await parkedIn()) === 1);
    assert.equal(
      await refusal(`groups discard trial trial_seen ${position}`),
      '0 of 1 events were parked at these positions; the others were not',
    );
    assert.deepEqual(await json('groups redrive trial trial_seen'), {
      stream: 'trial',
      group: 'trial_seen',
      redriven: 1,
    });
    await eventually('nothing is parked', async () => (await parkedIn()) === 0);
    await eventually('it has the effects of all', async () => {
      const seen = sql<{ things: number }>`select count(*)::integer as things from trial.seen`;
      return (await withAdmin((admin) => admin.first(seen)))?.things === 3;
    });
    assert.match(await run('verify trial'), /^projection trial_seen: equal; 3 rows compared\n$/);
  });

  test('a discarded event is gone, and a rebuild has no need of it', async () => {
    rmSync(join(trial.directory, 'repaired'), { force: true });
    await post('/v1/trial', { thing: 'bad-3' });
    await eventually('it is parked', async () => (await parkedIn()) === 1);
    const discarded = await run(`groups discard trial trial_seen ${await withAdmin(headOf)}`);
    assert.equal(discarded, '1 parked event of trial/trial_seen discarded\n');
    assert.match(await run('verify trial --sample 100', 1), /: 1 difference; 4 rows compared \(a sample\)\n/);
    const { stdout, stderr, code } = await scene.run(['rebuild', 'trial_seen'], here);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^projection trial_seen remade in [\d.]+ s: 4 rows, 0 later events\n$/);
    assert.match(stderr, /^(loadstone: trial_seen: [a-z ]+\n){3,}$/);
    assert.match(
      await run('verify'),
      /^projection links_counts: equal; .*\nprojection trial_seen: equal; 4 rows/,
    );
    trial.allow('repaired');
  });

  test('a group goes on where it is told to', async () => {
    assert.match(
      await run('groups seek trial trial_seen latest'),
      /^trial\/trial_seen goes on after position \d+\n$/,
    );
    assert.equal(
      await refusal('groups seek trial trial_seen 999999999'),
      `position 999999999 is ahead of the log, which is at ${await withAdmin(headOf)}`,
    );
  });

  test('what is not there, on one line', async () => {
    assert.equal(
      await refusal('groups parked trial nobody'),
      'no consumer has opened a group nobody of the stream trial',
    );
    assert.equal(await refusal('groups redrive nowhere nobody'), 'there is no stream nowhere');
  });
});

async function headOf(admin: Queryable): Promise<string | undefined> {
  return (await admin.first<{ position: string }>(sql`select position from core.stream_head`))?.position;
}

describe('verify, rebuild and doctor, beside a server', () => {
  test('a table that is wrong is named, and remade while the server serves', async () => {
    await server.shorten('https://example.com/counted');
    await withAdmin((admin) => admin.run(sql`update ${identifier('links.counts')} set live = live + 5`));
    const wrong = await run('verify links', 1);
    assert.match(
      wrong,
      /^projection links_counts: [12] differences?; \d+ rows? compared\n {2}the row bucket \d+, workspace_id 1 has live \d+ instead of \d+\n/,
    );
    const serving = Array.from({ length: 20 }, (_, n) =>
      server.shorten(`https://example.com/meanwhile-${n}`),
    );
    const { code, stdout } = await scene.run(['rebuild', 'links_counts', '--json'], here);
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).name, 'links_counts');
    await Promise.all(serving);
    assert.equal((await json('verify links')).isEqual, true);
  });

  test('several commands at once, while requests are answered', async () => {
    const code = await server.shorten('https://example.com/at-once');
    const commands = Promise.all([run('jobs ls'), run('doctor'), run('verify')]);
    let isOver = false;
    void commands.finally(() => {
      isOver = true;
    });
    await eventually('they have ended', async () => {
      const target = await server.follow(code);
      return isOver && target === 'https://example.com/at-once';
    });
    const [, said] = await commands;
    assert.match(said, /\n?(ok|warning) +oldest_snapshot +\S.*\n(.+\n)+\n0 problems, \d warnings?\n$/);
  });

  test('what is not there is refused before anything is reached', async () => {
    const nowhere = `--data ${join(cwd, 'nowhere')}`;
    const [verified, rebuilt] = await Promise.all([
      refusal(`verify chess ${nowhere}`, 2),
      refusal(`rebuild chess ${nowhere}`, 2),
    ]);
    assert.equal(verified, 'no system chess is switched on; known is links, trial');
    assert.equal(rebuilt, 'there is no projection chess; known is links_counts, trial_seen');
  });

  test('Ctrl-C ends a command that waits, and leaves the server alone', async () => {
    await withAdmin(async (admin) => {
      const waiting = sql`select from pg_stat_activity where wait_event_type = 'Lock' and query like 'lock table%'`;
      await admin.run(sql`select pg_advisory_lock(1)`);
      const held = lookInto(locateEmbedded(server.data) ?? '');
      try {
        const locking = held.admin.run(sql`
          do $$ begin
            lock table links.counts in access exclusive mode;
            perform pg_advisory_lock(1);
          end $$`);
        await eventually('the table is locked', async () =>
          Boolean(await admin.first(sql`select from pg_locks where not granted and locktype = 'advisory'`)),
        );
        const running = scene.spawn(['verify', 'links'], here);
        await eventually('it waits for the table', async () => Boolean(await admin.first(waiting)));
        process.kill(running.pid, 'SIGINT');
        assert.deepEqual(await running.exited(), INTERRUPTED);
        assert.deepEqual([running.stdout(), running.stderr()], ['', '']);
        await admin.run(sql`select pg_advisory_unlock_all()`);
        await locking;
      } finally {
        await held.close();
      }
    });
    assert((await server.request('/readyz')).ok);
  });
});

describe('ps, beside a server', () => {
  test('the server is listed, as it is', async () => {
    const [entry, ...others] = (await json<{ items: Record<string, unknown>[] }>('ps')).items;
    assert.deepEqual(others, []);
    const { role, state, isLive, address, systems } = entry as Record<string, unknown>;
    const listens = new URL(server.url).host;
    assert.deepEqual(
      [role, state, isLive, address, systems],
      ['all', 'serving', true, listens, ['links', 'trial']],
    );
    const text = await run('ps');
    assert.match(text, new RegExp(`^${entry?.pid} .* all +serving +${listens} +links,trial `, 'm'));
    assert.match(text, /\n\n1 process live\n$/);
  });
});

describe('without a server', () => {
  let waiting: string;
  before(async () => {
    await post('/v1/links', { url: 'https://example.com/', ttl: 3600 });
    const { items } = await json<{ items: { id: string }[] }>('jobs ls --queue links_expiry --limit 1');
    waiting = items[0]?.id ?? '';
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  });

  /** Runs a command with the data directory's own Postgres, and sees that nothing of it is left. */
  async function runAlone(line: string): Promise<string> {
    const { code, stdout, stderr } = await scene.run(line.split(' '), here);
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /^loadstone: no server runs in the data directory: its Postgres is started [^\n]+\n/,
    );
    assert.deepEqual(processesIn(cwd), []);
    assert.deepEqual(readdirSync(server.data).sort(), ['master.key', 'postgres']);
    return stdout;
  }

  test('Postgres is started for the command, and stopped after it', async () => {
    assert.match(await runAlone(`jobs retry ${waiting}`), /runs now\n$/);
    assert.match(
      await runAlone(`jobs why ${waiting}`),
      /it waits for a worker: none works on the queue links_expiry\n$/,
    );
    assert.match(await runAlone('rebuild links_counts'), /^projection links_counts remade in /);
    assert.match(await runAlone('verify'), /^projection links_counts: equal; .*\nprojection trial_seen: /);
  });

  test('Ctrl-C while it starts leaves nothing running', async () => {
    const running = scene.spawn(['jobs', 'ls'], here);
    await eventually('it starts', () => running.stderr().includes('no server runs'));
    process.kill(running.pid, 'SIGINT');
    const ended = await running.exited();
    // Where this process was held up, the command may have been faster than the signal.
    assert(running.stdout() === '' ? ended.code === INTERRUPTED.code : ended.code === 0, running.stderr());
    await noPostgresIn(cwd);
    assert.deepEqual(readdirSync(server.data).sort(), ['master.key', 'postgres']);
  });

  test('the server finds what the commands have left, and runs it', async () => {
    server = await scene.start({ cwd, data: server.data, args: ['--listen', FREE_PORT], env, key: KEY });
    await untilState(waiting, 'replaced');
    await server.stop();
  });
});

/** The commands that a help lists. */
function namesIn(help: string, family = ''): string[] {
  const [, list = ''] = help.split('\nCommands:\n');
  return [...list.matchAll(/^ {2}([a-z]+) /gm)].map((match) => `${family}${match[1]}`);
}

describe('the command line', () => {
  test('help names every command, of each family too, and so does the reference', async () => {
    const [all, jobs, groups] = await Promise.all([run('--help'), run('jobs --help'), run('groups --help')]);
    const [backup, database] = await Promise.all([run('backup --help'), run('database --help')]);
    assert.match(all, /^Usage: loadstone <command>\n/);
    assert.match(jobs, /^Usage: loadstone jobs <command>\n/);
    const families = { jobs, groups, backup, database };
    const named = Object.entries(families).flatMap(([name, said]) => namesIn(said, `${name} `));
    // A backup is taken by the name of the family alone.
    const single = namesIn(all).filter((name) => name === 'backup' || !Object.hasOwn(families, name));
    const reference = readFileSync(join(ROOT, 'docs', 'operations', 'commands.md'), 'utf8');
    const documented = [...reference.matchAll(/^\| `loadstone ([a-z]+( [a-z]+)?)/gm)].map(
      (match) => match[1],
    );
    assert.deepEqual(documented.toSorted(), [...named, ...single].toSorted());
  });

  test('what is wrong with it is told with what is right, and exit status 2', async () => {
    const cases: [string, RegExp][] = [
      ['jobs', /^no command given; known is ls, show, why, retry, discard, drain, redrive$/],
      ['jobs ls --colour', /^unknown option '--colour'; known is --queue, --state, .*--json, .*--help$/],
      ['jobs ls --state gone', /'gone' is invalid. Allowed choices are scheduled, ready, .*dropped\.$/],
      ['jobs ls --before me', /^option '--before': me is not an id$/],
      ['groups discard a b', /^missing required argument 'position'$/],
      ['groups seek a b soon', /'soon' is invalid .*Allowed are earliest, latest, and a position/],
    ];
    await Promise.all(
      cases.map(async ([line, expected]) => assert.match(await refusal(line, 2), expected, line)),
    );
  });

  test('the drills are listed, the quick one first', async () => {
    assert.match(await run('drill ls'), /^DRILL +LOAD +WHAT\nquick +\d+ s +\S/);
  });

  test('without an installation there is an error, and still none', async () => {
    const missing = join(cwd, 'missing');
    assert.match(await refusal(`jobs ls --data ${missing}`), /^data directory \S+missing does not exist; /);
    assert(!existsSync(missing));
    mkdirSync(missing);
    assert.match(await refusal(`doctor --data ${missing}`), /^data directory \S+missing holds no database; /);
    assert.deepEqual(readdirSync(missing), []);
  });
});
