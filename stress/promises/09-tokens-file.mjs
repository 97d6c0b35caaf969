// @ts-check
import { runTests } from "../support/tests.mjs";

/** The short form is the test itself. */
export const isOnlyLong = true;
export const number = 9;
export const promise = "the tokens file is never half there";
export const promised =
  "1,000 writers killed in the middle: 0 unreadable, each acknowledged change kept; 16 writers at once: 16 kept; rewrites under load: no good request refused";

export function run() {
  return runTests(["test/identity/tokens-writer.test.ts", "test/faults/tokens.test.ts"], "long");
}
