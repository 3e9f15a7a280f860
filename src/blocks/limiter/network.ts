/**
 * Whom an address stands for. An IPv6 subscriber is given at least a /64 and changes addresses in it at will, so the
 * network counts; of IPv4 the address does. IPv4 addresses written as IPv6 (`::ffff:203.0.113.9`) are IPv4.
 */
import { isIPv4, isIPv6 } from 'node:net';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const GROUPS = 8;
const NETWORK_GROUPS = 4;
const LENGTH_MAX = 64;

/** The first four groups of an IPv6 address, without leading zeros. */
function networkGroups(address: string): string[] {
  const [left = '', right] = address.split('::');
  const before = left === '' ? [] : left.split(':');
  const after = right === undefined || right === '' ? [] : right.split(':');
  // A dotted tail takes the place of two groups, and never lies in the network.
  const dotted = after.at(-1)?.includes('.') || before.at(-1)?.includes('.') ? 1 : 0;
  const zeros = right === undefined ? 0 : GROUPS - before.length - after.length - dotted;
  return [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after]
    .slice(0, NETWORK_GROUPS)
    .map((group) => Number.parseInt(group, 16).toString(16));
}

/** What the callers of one address are counted under; of something that is no address, itself, cut to a bound. */
export function networkOf(address: string): string {
  const plain = address.split('%')[0] ?? '';
  const mapped = MAPPED.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIPv4(plain) || !isIPv6(plain)) return plain.slice(0, LENGTH_MAX);
  return `${networkGroups(plain).join(':')}::/64`;
}
