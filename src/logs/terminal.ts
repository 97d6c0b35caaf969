import type { Writable } from "node:stream";
import { styleText } from "node:util";
import { defaultLimits, type Limits } from "../limits/limits.js";
import { describeArguments, messageOf } from "./describe.js";
import type { AccessEvent, CommandEvent, ErrorEvent, Logs } from "../model/logs.js";
import { maskKnown } from "./known-secrets.js";
import { harmlessJson, jsonText, terminalText } from "./safe.js";

export interface TerminalLogsOptions {
  /** `debug`: connections, commands and errors; `normal`: errors only. */
  readonly level: "debug" | "normal";
  readonly limits?: Pick<Limits, "maxLogFieldBytes" | "maxLogArguments" | "maxLogBufferBytes">;
}

type Colour = "red" | "yellow" | "green" | "cyan" | "gray";

/**
 * Writes lines for people, one for each event, in colour on a terminal unless NO_COLOR is set:
 *
 *     12:30:01.250  command  completed       backup_world 6003 ms admin@127.0.0.1 run=… {"world":"string(5)"}
 *
 * `close()` leaves the stream open. When the stream is broken, or holds more than `maxLogBufferBytes`, lines are
 * dropped.
 */
export function openTerminalLogs(stream: Writable, options: TerminalLogsOptions): Logs {
  const { level, limits = defaultLimits } = options;
  const max = limits.maxLogFieldBytes;
  let isBroken = false;
  const onError = (): void => {
    isBroken = true; // a reader such as `head` went away; the service goes on
  };
  stream.on("error", onError);

  function write(kind: string, colour: Colour, event: string, rest: readonly string[]): void {
    if (isBroken || stream.destroyed || stream.writableEnded || stream.writableLength > limits.maxLogBufferBytes)
      return;
    const paint = (style: Colour, text: string): string => coloured(stream, style, text);
    const words = rest.filter((text) => text !== "").join(" ");
    stream.write(
      `${paint("gray", localTime())}  ${paint(colour, kind.padEnd(7))}  ${paint(colour, word(event, max).padEnd(14))}  ${words}\n`,
    );
  }

  const debug = level === "debug";
  return {
    access(event) {
      if (debug) write("access", event.event === "refused" ? "yellow" : "cyan", event.event, accessWords(event, max));
    },
    error(event) {
      write("error", "red", event.event, errorWords(event, max));
    },
    command(event) {
      if (debug) write("command", colourOf(event.status), event.status, commandWords(event, limits));
    },
    async close() {
      if (!isBroken && !stream.destroyed && !stream.writableEnded) {
        await new Promise<void>((resolve) => {
          stream.write("", () => resolve());
        });
      }
      stream.off("error", onError);
    },
  };
}

function colourOf(status: CommandEvent["status"]): Colour {
  return status === "running" ? "cyan" : status === "completed" ? "green" : "yellow";
}

function accessWords(event: AccessEvent, max: number): string[] {
  return [
    `#${event.connection}`,
    word(event.source, max) + (event.port === undefined ? "" : `:${event.port}`),
    event.tls === undefined ? "" : event.tls ? "tls" : "cleartext",
    event.owner === undefined ? "" : `owner=${word(event.owner, max)}`,
    event.durationMs === undefined ? "" : `${Math.round(event.durationMs)} ms`,
    event.packets === undefined ? "" : `${event.packets} packets`,
    event.reason === undefined ? "" : terminalText(event.reason, max),
    event.suppressed === undefined ? "" : `(and ${event.suppressed} more of this address since its last line)`,
  ];
}

/** The message comes last. Before it, each value from outside is one word, so that no message can look like a field. */
function errorWords(event: ErrorEvent, max: number): string[] {
  const cause = messageOf(event.error);
  return [
    event.connection === undefined ? "" : `#${event.connection}`,
    event.source === undefined ? "" : word(event.source, max),
    event.owner === undefined ? "" : `owner=${word(event.owner, max)}`,
    event.tokenId === undefined ? "" : `token=${word(event.tokenId, max)}`,
    event.command === undefined ? "" : `command=${word(event.command, max)}`,
    event.runId === undefined ? "" : `run=${word(event.runId, max)}`,
    shownFault(event.message, max),
    cause === undefined || cause === event.message ? "" : `(${shownFault(cause, max)})`,
  ];
}

function shownFault(text: unknown, max: number): string {
  return terminalText(typeof text === "string" ? maskKnown(text) : text, max);
}

function commandWords(event: CommandEvent, limits: Pick<Limits, "maxLogFieldBytes" | "maxLogArguments">): string[] {
  const max = limits.maxLogFieldBytes;
  const args = describeArguments(event.args, limits.maxLogArguments, max);
  return [
    word(event.command, max),
    event.status === "running" ? "" : `${Math.round(event.durationMs)} ms`,
    `${word(event.owner, max)}@${word(event.source, max)}`,
    `run=${word(event.runId, max)}`,
    event.code === undefined ? "" : `code=${word(event.code, max)}`,
    event.exitCode === undefined ? "" : `exit=${event.exitCode}`,
    event.signal === undefined ? "" : `signal=${word(event.signal, max)}`,
    event.arguments !== undefined ? harmlessJson(JSON.stringify(event.arguments)) : args.json === "{}" ? "" : args.json,
    args.omitted === 0 ? "" : `and ${args.omitted} more`,
    event.suppressed === undefined ? "" : `(and ${event.suppressed} more refused since the last line)`,
  ];
}

/** The text as it is when it is unambiguous, and otherwise in quotes. */
function word(text: string, max: number): string {
  return /^[\w.:/%+-]{1,64}$/.test(text) ? text : jsonText(text, max);
}

function localTime(): string {
  const date = new Date();
  const two = (value: number): string => String(value).padStart(2, "0");
  return (
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}` +
    `.${String(date.getMilliseconds()).padStart(3, "0")}`
  );
}

/**
 * A terminal that wants no colour says so in the environment (no-color.org). Node before 22.13 does not check all of
 * it.
 */
function coloured(stream: Writable, colour: Colour, text: string): string {
  const isTerminal = "isTTY" in stream && stream.isTTY === true;
  const isRefused = (process.env["NO_COLOR"] ?? "") !== "" || process.env["TERM"] === "dumb";
  return isTerminal && !isRefused ? styleText(colour, text, { stream }) : text;
}
