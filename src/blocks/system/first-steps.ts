/** What a person is told to try once the server listens; the first system of the list that has some. */
export type FirstSteps = (at: {
  /** Without a trailing slash. */
  url: string;
  /** For curl: the key, and that the body is JSON. */
  curlHeaders: string;
  /** Later starts must not meet the names of the first. */
  isFirstStart: boolean;
  /** Six letters and digits that no other start has. */
  suffix: string;
}) => { title: string; lines: readonly string[] };
