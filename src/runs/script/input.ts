import type { Writable } from "node:stream";
import type { RunInput } from "../streams/input.js";

/**
 * Feeds what the caller sends into a program's standard input, no faster than the program reads it. Resolves when it
 * has all, or wants no more. @throws what the input failed with: the program must not take that for the end
 */
export async function feedProgram(input: RunInput, stdin: Writable): Promise<void> {
  // EPIPE: it has closed its standard input, as a program may.
  stdin.on("error", () => stdin.destroy());
  stdin.on("close", () => input.discard());
  for await (const bytes of input) {
    if (stdin.destroyed) return;
    if (!stdin.write(bytes)) await drained(stdin);
  }
  stdin.end();
}

function drained(stdin: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stdin.off("drain", done);
      stdin.off("close", done);
      resolve();
    };
    stdin.on("drain", done);
    stdin.on("close", done);
    if (stdin.destroyed) done();
  });
}
