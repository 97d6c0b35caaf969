/** Asks for a secret on the terminal. What is typed is not shown. */
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { IscepError } from "../../errors.js";
import { visibleLine } from "../../text/visible-text.js";
import { surroundings } from "./surroundings.js";

/** Whether there is a terminal to ask on. */
export function mayAsk(): boolean {
  const { stdin, stderr } = surroundings();
  return stdin.isTTY === true && stderr.isTTY === true;
}

/** @throws IscepError `cancelled` with the message `refusal` when the input ends without an answer */
export async function askHidden(label: string, refusal: string, signal: AbortSignal): Promise<string> {
  const { stdin, stderr } = surroundings();
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: silent, terminal: true, historySize: 0 });
  // In this mode the terminal gives the key, and no signal.
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  // Some versions of Node never reject a question whose input has ended.
  const closed = once(lines, "close").then(() => {
    throw new Error("the input has ended");
  });
  // The terminal shows what is typed until here, so the question comes after.
  stderr.write(`${visibleLine(label)}: `);
  try {
    return await Promise.race([lines.question("", { signal }), closed]);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw new IscepError("cancelled", refusal, { cause });
  } finally {
    closed.catch(() => {});
    lines.close();
    stderr.write("\n");
  }
}
