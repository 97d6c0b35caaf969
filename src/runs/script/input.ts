import type { Writable } from "node:stream";
import type { RunInput } from "../streams/input.js";

/**
 * Writes what the caller sends into a program's standard input, no faster than the program reads it. Resolves when the
 * program has all of it, or wants no more.
 * @throws the fault of the input, because the program must not treat it as the end
 */
export async function feedProgram(input: RunInput, stdin: Writable): Promise<void> {
  // EPIPE: the program has closed its standard input, which it may do.
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
