/** Asks a person on the terminal. */
import { once } from "node:events";
import { Writable } from "node:stream";
import { IscepError } from "../../errors.js";
import { visibleLine } from "../../text/visible-text.js";
import { surroundings } from "./surroundings.js";

/** True when there is a terminal to ask on. */
export function mayAsk(): boolean {
  const { stdin, stderr } = surroundings();
  return stdin.isTTY === true && stderr.isTTY === true;
}

/**
 * Asks for a secret, without showing what is typed.
 * @throws IscepError `cancelled` with the message `refusal` when the input ends without an answer
 */
export async function askHidden(label: string, refusal: string, signal: AbortSignal): Promise<string> {
  return ask(`${visibleLine(label)}: `, { isHidden: true, refusal, signal });
}

/**
 * True for y or yes, false for anything else.
 * @throws IscepError `cancelled` with the message `refusal` when the input ends without an answer
 */
export async function askWhether(question: string, refusal: string, signal: AbortSignal): Promise<boolean> {
  const answer = await ask(`${visibleLine(question)} [y/N] `, { isHidden: false, refusal, signal });
  return /^\s*y(es)?\s*$/i.test(answer);
}

interface Asking {
  readonly isHidden: boolean;
  readonly refusal: string;
  readonly signal: AbortSignal;
}

async function ask(prompt: string, { isHidden, refusal, signal }: Asking): Promise<string> {
  const { stdin, stderr } = surroundings();
  const output = isHidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : stderr;
  // Most verbs ask nothing, and this loads slowly.
  const { createInterface } = await import("node:readline/promises");
  const lines = createInterface({ input: stdin, output, terminal: true, historySize: 0 });
  // In this mode, the terminal passes Ctrl-C as a key and sends no signal.
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  // Some versions of Node never reject a question when its input has ended.
  const closed = once(lines, "close").then(() => {
    throw new Error("the input has ended");
  });
  // Until here the terminal shows what is typed, so the question comes only now.
  if (isHidden) stderr.write(prompt);
  let hasAnswer = false;
  try {
    const answer = await Promise.race([lines.question(isHidden ? "" : prompt, { signal }), closed]);
    hasAnswer = true;
    return answer;
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw new IscepError("cancelled", refusal, { cause });
  } finally {
    closed.catch(() => {});
    lines.close();
    if (isHidden || !hasAnswer) stderr.write("\n");
  }
}
