/** Standard output is for data, standard error for people. */
import { writeSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { styleText } from "node:util";
import { afterOutput, beforeOutput } from "./status-line.js";
import { surroundings, type Output } from "./surroundings.js";
import { visibleText } from "../../text/visible-text.js";

type Style = Parameters<typeof styleText>[0];

/** Resolves when the system has taken the text, or when nobody reads it any more. */
export function print(text: string): Promise<void> {
  return write(surroundings().stdout, text);
}

/** Prints a line for people. Text from a server may be in it, so it is made harmless for the terminal. */
export function note(message: string): Promise<void> {
  return write(surroundings().stderr, `${visibleText(message)}\n`);
}

/** Prints a warning about a problem that does not end the verb. */
export function warn(message: string): Promise<void> {
  return noteLabelled("yellow", "iscep: warning:", message);
}

export function noteLabelled(style: Style, label: string, message: string): Promise<void> {
  const { stderr } = surroundings();
  return write(stderr, `${styled(stderr, style, label)} ${visibleText(message)}\n`);
}

/** Colour is used only on a terminal, and never with NO_COLOR (no-color.org). */
export function styled(stream: Output, style: Style, text: string): string {
  return showsColour(stream) ? styleText(style, text, { stream }) : text;
}

export function showsColour(stream: Output): boolean {
  const { env } = surroundings();
  const refused = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  return stream.isTTY === true && !refused;
}

export function write(stream: Output, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (closedPipes.has(stream)) {
      resolve();
      return;
    }
    beforeOutput(stream);
    stream.write(data, (error) => {
      if (isClosedPipe(error)) closedPipes.add(stream);
      resolve();
    });
    afterOutput(stream, data);
  });
}

/** A server that was told to end waits this long for a reader of its streams that stands still. A client waits for `less`. */
const serverFlushTimeoutMs = 1_000;

export async function flushStreams(): Promise<void> {
  const { stdout, stderr } = surroundings();
  const flushed = write(stdout, "").then(() => write(stderr, ""));
  await (mayGoOnUnheard ? Promise.race([flushed, pause(serverFlushTimeoutMs)]) : flushed);
}

/** Node leaves its standard streams writable after EPIPE. */
const closedPipes = new WeakSet<Output>();

/** True while somebody may still read what is printed. */
export function outputIsRead(): boolean {
  return !closedPipes.has(surroundings().stdout);
}

function isClosedPipe(error: NodeJS.ErrnoException | null | undefined): boolean {
  return error?.code === "EPIPE";
}

let mayGoOnUnheard = false;

/** From now on this process outlives its terminal and the disk that its streams are on. */
export function goOnUnheard(): void {
  mayGoOnUnheard = true;
}

/** A reader like `head` may stop reading. Then the verb goes on silently, and keeps its exit code. */
export function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (mayGoOnUnheard || isClosedPipe(error)) {
        closedPipes.add(stream);
        return;
      }
      if (stream === process.stdout) writeSync(2, `iscep: the output could not be written: ${error.message}\n`);
      process.exit(70);
    });
  }
}
