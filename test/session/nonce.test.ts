import { expect, test } from "vitest";
import { newNonce, nonceBytes } from "#iscep/session/proof";

test("nonces have their length and are all different, also where the next ones are drawn", () => {
  const nonces = Array.from({ length: 1_000 }, newNonce);
  expect(new Set(nonces).size).toBe(nonces.length);
  for (const nonce of nonces) expect(Buffer.from(nonce, "base64url")).toHaveLength(nonceBytes);
});
