/** The traces that the tests of the policies use. */
export { recency, zipfWithScans } from '#fixtures/cache';
