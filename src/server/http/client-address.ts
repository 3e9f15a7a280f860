/**
 * Who calls: the peer, or who stands behind the proxies that are trusted.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

export interface ClientAddresses {
  isTrusted(address: string): boolean;
  /** As the framework's `request.ip`: from the right, the first address that is no trusted proxy. */
  addressOf(request: IncomingMessage): string;
}

const kindOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** @param proxies addresses and networks */
export function createClientAddresses(proxies: readonly string[]): ClientAddresses {
  const trusted = new BlockList();
  for (const each of proxies) {
    const [address = '', bits] = each.split('/', 2);
    if (bits === undefined) trusted.addAddress(address, kindOf(address));
    else trusted.addSubnet(address, Number(bits), kindOf(address));
  }
  const isTrusted = (address: string) => isIP(address) !== 0 && trusted.check(address, kindOf(address));

  return {
    isTrusted,
    addressOf({ socket, headers }) {
      const peer = socket.remoteAddress ?? '';
      const forwarded = headers['x-forwarded-for'];
      if (proxies.length === 0 || typeof forwarded !== 'string' || !isTrusted(peer)) return peer;
      const chain = forwarded.split(',').map((each) => each.trim());
      return chain.findLast((address) => !isTrusted(address)) ?? (chain[0] as string);
    },
  };
}
