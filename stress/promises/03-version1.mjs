// @ts-check
import { runTests } from "../support/tests.mjs";

/** The short form is the test itself. */
export const isOnlyLong = true;
export const number = 3;
export const promise = "version 1 is that of the original";
export const promised =
  "85 recorded exchanges and 7 packets, and 2,000 random commands each way with a program that follows the original: all as recorded";

export function run() {
  return runTests(["test/doors/version1/vectors.test.ts", "test/conformance"]);
}
