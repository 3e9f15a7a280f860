/**
 * With which status a link redirects.
 */
import Type, { type Static } from 'typebox';

export const RedirectStatus = Type.Union(
  [Type.Literal(301), Type.Literal(302), Type.Literal(307), Type.Literal(308)],
  { title: 'RedirectStatus', description: 'The HTTP status of the redirect. Default 302.' },
);
export type RedirectStatus = Static<typeof RedirectStatus>;
