import { defineErrors } from '#base/errors';

export const loadErrors = defineErrors('load', {
  load_origin_invalid: {
    status: 422,
    title: 'This is no origin to send a load to',
    doc: 'The origin of a load is `http://host:port`, without a path. TLS is not supported: measure in front of what ends it.',
  },
  load_answer_malformed: {
    status: 502,
    title: 'What came back is no HTTP answer',
    doc: 'A server under load answered with what is not HTTP/1.1, with a header of more than 64 KiB or a body of more than 64 MiB, or sent what nobody had asked for. The connection was closed, and its request counts as broken.',
  },
});
