/**
 * Who makes a call.
 */

/** On whose behalf a call is made. */
export interface Principal {
  workspaceId: string;
  keyId: string;
}
