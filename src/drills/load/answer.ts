/** The object of a body in JSON; empty for what is none. Pure. */
export function readJson(text: string | undefined): Readonly<Record<string, unknown>> {
  if (!text) return {};
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
