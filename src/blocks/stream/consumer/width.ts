/**
 * How many events of each partition to read. Reading a whole batch of each, to keep a sixteenth of that, took 7.5 ms for
 * 500 events; reading just a batch in all takes 2 ms. But then a partition that alone has a backlog would fill only a
 * sixteenth of a batch. Pure.
 */
export function nextWidth(
  { width, widthMin, batchMax }: { width: number; widthMin: number; batchMax: number },
  { events, isWhole }: { events: number; isWhole: boolean },
): number {
  if (isWhole) return Math.max(widthMin, Math.min(width, 2 * widthMin));
  if (events >= batchMax) return Math.max(widthMin, Math.floor(width / 2));
  return events < batchMax / 2 ? Math.min(batchMax, width * 2) : width;
}
