/** The keys with which a client proves its token, and recognises the server. */
import { clientKey, secretOf, serverKey, storedKeyOf } from "../../identity/tokens.js";
import { tokenReference, type ClientKeys } from "../../session/proof.js";

export interface ProofKeys extends ClientKeys {
  readonly serverKey: Buffer;
  /** Names the token without showing it. */
  readonly reference: string;
}

/** Programs that connect for each call have one token, and to make its keys costs as much as the rest of the proof. */
let last: { readonly token: string; readonly keys: ProofKeys } | undefined;

export function proofKeysOf(token: string): ProofKeys {
  if (last?.token === token) return last.keys;
  const secret = secretOf(token);
  const key = clientKey(secret);
  const storedKey = storedKeyOf(key);
  const keys = { clientKey: key, storedKey, serverKey: serverKey(secret), reference: tokenReference(storedKey) };
  last = { token, keys };
  return keys;
}
