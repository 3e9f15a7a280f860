/**
 * Makes this process a broken build: `node --import <this file>?<name of the build>`. Processes that it starts with its
 * own flags are broken too.
 */
import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { breakSource, brokenBuilds } from './builds.fixture.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

const name = decodeURIComponent(new URL(import.meta.url).search.slice(1));
const build = brokenBuilds.find((each) => each.name === name);
assert(build, `no broken build is called ${name}`);
const target = pathToFileURL(join(ROOT, build.file)).href;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (url !== target) return loaded;
    assert(loaded.source, `${build.file} was loaded without its source`);
    const source =
      typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
    return { ...loaded, source: breakSource(build, source) };
  },
});
