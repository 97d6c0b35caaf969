import { expect, test } from "vitest";
import { proofKeysOf } from "#iscep/client/version2/proof-keys";
import { clientKey, mintToken, secretOf, serverKey, storedKeyOf } from "#iscep/identity/tokens";
import { tokenReference } from "#iscep/session/proof";

test("each token has its own keys, whichever was asked for before", () => {
  const [first, second] = [mintToken(), mintToken()];
  for (const token of [first, first, second, first, "of the original"]) {
    const secret = secretOf(token);
    const key = clientKey(secret);
    expect(proofKeysOf(token)).toEqual({
      clientKey: key,
      storedKey: storedKeyOf(key),
      serverKey: serverKey(secret),
      reference: tokenReference(storedKeyOf(key)),
    });
  }
});
