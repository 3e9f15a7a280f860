/**
 * The slot of a key in a Redis Cluster: CRC-16 (XMODEM) of the key, or of what stands between its first braces, modulo 16,384.
 */
const SLOTS = 16_384;
const POLYNOMIAL = 0x1021;

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  return crc;
});

/** Keys with the same `{…}` are in the same slot. */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) crc = ((crc << 8) ^ table[((crc >>> 8) ^ byte) & 0xff]!) & 0xffff;
  return crc % SLOTS;
}
