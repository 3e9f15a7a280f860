/**
 * The parts of prom-client that are used, each by itself: all of it together reads 80 modules more, OpenTelemetry's
 * second copy among them, for metrics of Node's own that are not used here.
 */
import { createRequire } from 'node:module';
import type * as PromClient from 'prom-client';

const require = createRequire(import.meta.url);

export const Registry: typeof PromClient.Registry = require('prom-client/lib/registry.js');
export const Counter: typeof PromClient.Counter = require('prom-client/lib/counter.js');
export const Gauge: typeof PromClient.Gauge = require('prom-client/lib/gauge.js');
