export { type TraceExportOptions, traceExportOptions } from './options.ts';
export { createTraceExport, type TraceExportDeps } from './trace-export.ts';
