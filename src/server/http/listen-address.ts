/**
 * `HOST:PORT` as written in options, with IPv6 hosts in brackets.
 */
import { optionsErrors } from '#base/options';

export interface ListenAddress {
  host: string;
  port: number;
}

export function parseListen(text: string): ListenAddress {
  const separator = text.lastIndexOf(':');
  const port = Number(text.slice(separator + 1));
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw optionsErrors.option_invalid({
      detail: `listen: ${JSON.stringify(text)} is not allowed; allowed is HOST:PORT with a port from 0 to 65535`,
    });
  }
  return { host: text.slice(0, separator).replace(/^\[(.*)\]$/, '$1'), port };
}

export function formatListen({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An address that a client on this machine can use: "all interfaces" becomes loopback. */
export function localUrl({ host, port }: ListenAddress): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${formatListen({ host: reachable, port })}`;
}
