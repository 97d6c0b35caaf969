// @ts-check
import { runTests } from "../support/tests.mjs";

/** The short form is the test itself. */
export const isOnlyLong = true;
export const number = 32;
export const promise = "reading iscep.yaml again costs no memory that stays";
export const promised = "a file that changes again and again: the heap returns to where it was";

export function run() {
  return runTests(["test/configuration/reload-memory.test.ts"]);
}
