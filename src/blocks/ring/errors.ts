import { defineErrors } from '#base/errors';

export const ringErrors = defineErrors('ring', {
  ring_without_nodes: {
    status: 503,
    title: 'There is no node to place keys on',
    retryable: true,
    doc: 'The list of nodes was empty: none is known yet, or all have gone. Retry once there is one.',
  },
  ring_nodes_invalid: {
    status: 500,
    title: 'These nodes make no ring',
    doc: 'A name is empty, too long or there twice, a weight is no integer from 1 to 100, or there are more nodes or points than a ring takes. The detail says which. Correct the list, or lower `virtualNodes` or the weights.',
  },
});
