/**
 * What is measured of links on a machine. Links are most of what there is to measure today: plans take their figures for the
 * same kind of request of every system.
 */
import type { CalibrationItem, DrillRequest, SystemCalibration } from '#blocks/system';
import { createLink, listLinks } from './api.ts';

/** Few enough that following all links in turn never finds one of them kept. */
const KEPT_LINKS = 400;
/** Of these only, those that are always kept. */
const HIT_LINKS = 200;

/** As long as what people shorten: about a hundred characters. */
function destination(index: number): string {
  return `https://shop.example.com/en/collections/summer/products/${index}?utm_source=newsletter&utm_medium=email&utm_id=${index}`;
}

const create = (n: number): DrillRequest => ({
  method: 'POST',
  path: createLink.path,
  body: { url: destination(n) },
});

const follow = (links: readonly CalibrationItem[]) =>
  links.map(({ code }): DrillRequest => ({ method: 'GET', path: `/${code}`, isPublic: true }));

export const linksCalibration: SystemCalibration = {
  options: { cacheEntriesMax: KEPT_LINKS },
  prepare: create,
  keep: ({ body: { id, code } }) => ({ id: String(id), code: String(code) }),
  measures: {
    redirectHit: { standsFor: 'redirectHit', reads: (links) => follow(links.slice(0, HIT_LINKS)) },
    redirectMiss: { standsFor: 'redirectMiss', reads: follow },
    read: {
      standsFor: 'read',
      reads: (links) => links.map(({ id }) => ({ method: 'GET', path: `${listLinks.path}/${id}` })),
    },
    list: { standsFor: 'list', reads: () => [{ method: 'GET', path: `${listLinks.path}?limit=20` }] },
    create: { standsFor: 'create', write: create },
  },
};
