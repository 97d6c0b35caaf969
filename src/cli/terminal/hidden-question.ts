/** Asks for a secret on the terminal, without showing what is typed. */
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { IscepError } from "../../errors.js";
import { visibleLine } from "../../text/visible-text.js";
import { surroundings } from "./surroundings.js";

/** True when there is a terminal to ask on. */
export function mayAsk(): boolean {
  const { stdin, stderr } = surroundings();
  return stdin.isTTY === true && stderr.isTTY === true;
}

/** @throws IscepError `cancelled` with the message `refusal` when the input ends without an answer */
export async function askHidden(label: string, refusal: string, signal: AbortSignal): Promise<string> {
  const { stdin, stderr } = surroundings();
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: silent, terminal: true, historySize: 0 });
  // In this mode, the terminal passes Ctrl-C as a key and sends no signal.
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  // Some versions of Node never reject a question when its input has ended.
  const closed = once(lines, "close").then(() => {
    throw new Error("the input has ended");
  });
  // Until here the terminal shows what is typed, so the question comes only now.
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
