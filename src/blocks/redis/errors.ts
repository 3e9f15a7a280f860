import { defineErrors } from '#base/errors';

export const redisErrors = defineErrors('redis', {
  redis_unavailable: {
    status: 503,
    title: 'Redis cannot be asked now',
    retryable: true,
    isCommon: true,
    doc: 'There is no connection to the Redis server that the detail names, it was lost while a command was under way, or the server refuses work for now (it loads, is full, or has lost its cluster). Whether a command that was under way was carried out is not known. Retry; see that the server runs.',
  },
  redis_timeout: {
    status: 504,
    title: 'Redis did not answer in time',
    retryable: true,
    isCommon: true,
    doc: 'A command was not answered within `commandMsMax`. Whether it was carried out is not known. Retry; if it lasts, the server hangs or is too slow for its load.',
  },
  redis_refused: {
    status: 500,
    title: 'Redis refused a command',
    doc: 'The server answered with an error, which is the cause: the key holds another type, the user may not run the command, or a script is wrong. The same command would be refused again.',
  },
});
