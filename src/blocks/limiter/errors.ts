import { defineErrors } from '#base/errors';

export const limiterErrors = defineErrors('limiter', {
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    retryable: true,
    doc: 'A budget is used up; `RateLimit-Policy` names it with its size (`q`) and the seconds in which it is whole again (`w`), `RateLimit` says what is left (`r`). Nothing was done. Retry after the time in `Retry-After`. The policy `unknown-keys` counts API keys that do not exist, for each client address: check the key, and, behind a proxy, that `trustedProxies` names it.',
  },
});
