/**
 * What a person is told to try once the server listens.
 */
import type { FirstSteps } from '#blocks/system';
import { createLink } from './api.ts';

/** Two lines to paste. The first start's alias is plain; later ones must not meet it again. */
export const linksFirstSteps: FirstSteps = ({ url, curlHeaders, isFirstStart, suffix }) => {
  const alias = isFirstStart ? 'hello' : `hello-${suffix}`;
  return {
    title: 'Shorten a link, then follow it',
    lines: [
      `curl -sS '${url}${createLink.path}' ${curlHeaders} -d '{"url":"https://example.com/","alias":"${alias}"}'`,
      `curl -sSi '${url}/${alias}'`,
    ],
  };
};
