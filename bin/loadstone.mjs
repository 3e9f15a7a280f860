#!/usr/bin/env node
/**
 * The command of the published package. Hands over to Node 24 (packaged for common platforms) and the compiled program.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { handOver } from './hand-over.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.env.LOADSTONE_STARTED_AT_MS = String(Date.now());
const dist = join(root, 'dist');
// Not under the directory for temporary files, where somebody else could leave compiled code for us to run.
const cache = join(dist, '.cache');
await handOver(join(dist, 'cli', 'main.js'), process.argv.slice(2), import.meta.url, cache);
