/**
 * What cannot be read as HTTP, or does not arrive in time. What came before it on its connection is answered first: it may
 * have been done already. Then it is refused, and the connection closed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '#base/clock';
import type { ErrorDetails, ErrorFactory, LoadstoneError } from '#base/errors';
import type { Runtime } from '#base/runtime';
import type { Tracer } from '#base/trace';
import { serverErrors } from '../errors.ts';
import type { AccessSamples } from '../trace/access-samples.ts';
import { failBody } from './body.ts';
import { rawProblem } from './problem.ts';

type Unreadable = Error & { code?: string };

/** How long a client has to read its last answer and close. A socket that is closed with bytes unread resets the connection. */
const LINGER_MS = 1000;

const CODED: Record<string, ErrorFactory> = {
  HPE_HEADER_OVERFLOW: serverErrors.headers_too_large,
  ERR_HTTP_REQUEST_TIMEOUT: serverErrors.request_timeout,
};

function codedError({ code = '', message }: Unreadable, details: ErrorDetails = {}): LoadstoneError {
  return CODED[code]?.(details) ?? serverErrors.request_malformed({ ...details, detail: message });
}

/** What the body of a request is refused with that ends like this. */
function bodyError(error: Unreadable): LoadstoneError {
  if (error.code === 'HPE_INVALID_EOF_STATE') return serverErrors.client_gone();
  return codedError(error, { headers: { connection: 'close' } });
}

function inTurn(socket: Socket): ServerResponse | null | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage;
}

/** Whether the body of a request is on its way that has been answered. */
function isDiscarding(socket: Socket): boolean {
  const { parser } = socket as { parser?: { incoming: IncomingMessage | null } | null };
  return parser?.incoming?.complete === false;
}

/** Whether its client expects nothing more behind it. */
function saysClose(response: ServerResponse): boolean {
  const { _header: head } = response as unknown as { _header: string | null };
  return head !== null && /\r\nconnection: close\r\n/i.test(head);
}

/** Ends the connection so that the last answer arrives: what the client still sends is thrown away meanwhile. */
export function closeSlowly(socket: Socket, clock: Clock): void {
  let isClosing = false;
  socket.destroySoon = () => {
    if (isClosing) return;
    isClosing = true;
    socket.end();
    clock.after(LINGER_MS, () => socket.destroy(), 'background');
  };
}

/** Takes what node tells as `clientError`. */
export function createUnreadable(
  deps: Pick<Runtime, 'clock' | 'log'> & { tracer: Tracer; samples: AccessSamples },
): (error: Unreadable, socket: Socket) => void {
  const { clock, log, tracer, samples } = deps;
  /** Once is enough: whatever else comes of them is thrown away. */
  const told = new WeakSet<Socket>();

  function refuse(error: Unreadable, socket: Socket): void {
    const traceparent = tracer.traceparent(undefined);
    const traceId = traceparent.slice(3, 35);
    const coded = codedError(error);
    socket.write(rawProblem(coded, { traceId, traceparent }));
    const sampled = samples.sample({ status: coded.status, isRaw: false, hasCaller: false });
    if (sampled)
      log.info({ code: error.code, status: coded.status, traceId, ...sampled }, 'unreadable request');
  }

  /** Waits for the answers before; one whose request is the unreadable one is told so. */
  function whenAnswered(error: Unreadable, socket: Socket, isSaid: boolean): void {
    const response = inTurn(socket);
    if (response) {
      const isBroken = response.req.complete === false;
      if (isBroken) failBody(response.req, bodyError(error));
      response.once('close', () => whenAnswered(error, socket, isSaid || isBroken || saysClose(response)));
      return;
    }
    if (socket.destroyed || !socket.writable) return;
    const isSilent = isSaid || isDiscarding(socket) || error.code === 'HPE_CLOSED_CONNECTION';
    if (!isSilent) refuse(error, socket);
    closeSlowly(socket, clock);
    socket.destroySoon();
  }

  return (error, socket) => {
    if (error.code === 'ECONNRESET' || socket.destroyed) {
      socket.destroy();
      return;
    }
    if (told.has(socket)) return;
    told.add(socket);
    // Not by node, behind the answer that is under way when the client has shut down its side.
    socket.destroySoon = () => {};
    whenAnswered(error, socket, false);
  };
}
