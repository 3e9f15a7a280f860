/**
 * Orders: products with a stock that is never oversold. See README.md.
 */
import { defineSystem } from 'loadstone';
import { queues } from './api.ts';
import { ordersDrill } from './drill.ts';
import { createExport } from './export.ts';
import { createJobs } from './jobs.ts';
import { ordersModel } from './model.ts';
import { ordersOptions } from './options.ts';
import { sales } from './projections.ts';
import { createRoutes } from './routes.ts';

export default defineSystem({
  name: 'orders',
  summary: 'Products with a stock, and orders of them.',
  options: ordersOptions,
  migrations: new URL('./migrations/', import.meta.url),
  streams: [{ name: 'orders' }],
  queues,
  projections: [sales],
  model: ordersModel,
  drill: ordersDrill,
  create: (options, deps) => ({
    routes: [...createRoutes(options, deps), createExport(deps)],
    jobs: createJobs(deps),
  }),
});
