import { defineErrors } from '#base/errors';

export const streamErrors = defineErrors('stream', {
  stream_unknown: {
    status: 500,
    title: 'There is no stream of this name',
    doc: 'An event was published to, or read from, a stream that nobody has declared. The program that publishes to it must declare it at its start.',
  },
  stream_partitions_fixed: {
    status: 500,
    title: 'The number of partitions of a stream cannot be changed',
    doc: 'A stream was declared with another number of partitions than it was made with. That number decides where the events of a key live, so it stays. Declare the old number, or a new stream.',
  },
  position_expired: {
    status: 410,
    title: 'Events after this position are no longer kept',
    doc: 'The log was asked for what came after a position, and retention has dropped some of it. Read the present state by its own address, and go on from the position of the log as it was before that. A consumer group that was too slow stands still in the partitions concerned: remake what it makes, and have it seek.',
  },
  event_payload_invalid: {
    status: 500,
    title: 'An event does not fit its definition',
    doc: 'The program was about to publish an event whose payload does not fit the schema that its definition declares. Nothing was written. It is a defect of the program; the server log says what does not fit.',
  },
  event_payload_unreadable: {
    status: 500,
    title: 'An event of the log does not fit its definition',
    doc: 'A consumer met an event whose payload does not fit the schema of its definition, or that could not be upgraded to its present version. The consumer sets the event aside, as any that it cannot handle. Correct the definition or its upgrade, and redrive the event; it is not lost.',
  },
  event_version_unknown: {
    status: 500,
    title: 'An event was written by a newer program',
    doc: 'A consumer met an event of a version that its definition does not know. The consumer sets the event aside, as any that it cannot handle, and tries it again. Finish the deployment of the newer program, and redrive the event if it is parked by then.',
  },
  consumer_fenced: {
    status: 503,
    title: 'Another consumer has taken over',
    retryable: true,
    doc: 'A partition was given to another member of the consumer group, or moved to another position, while a batch of it was being handled. Nothing of the batch was written here; its present owner handles it.',
  },
});
