export { type DoctorLimits, diagnose, doctorLimits } from './diagnose.ts';
export { examine } from './examine.ts';
export type { Finding, Severity } from './finding.ts';
export type { Held, XminHolder } from './holders.ts';
export { doctorMigrations } from './migrations.ts';
export { type Observations, observe } from './observations.ts';
export { type XminWatchOptions, xminWatchOptions } from './options.ts';
export { renderFindings, renderFindingsJson } from './render.ts';
export { createXminWatch, type XminLook, type XminWatch, type XminWatchDeps } from './xmin-watch.ts';
