/**
 * The lines of the three files, as JSON with a newline. They are built by hand: up to the written file, a line of
 * commands.log costs 2.8 µs this way, and 6 to 8 µs with pino 10.4.0, which would still need safe values.
 */
import type { Limits } from "../limits/limits.js";
import { describeArguments, describeError, faultText } from "./describe.js";
import type { AccessEvent, CommandEvent, ErrorEvent } from "../model/logs.js";
import { harmlessJson, jsonNumber, jsonText, jsonTime } from "./safe.js";

export type LineLimits = Pick<Limits, "maxLogFieldBytes" | "maxLogArguments" | "maxLogCauses">;

/** `{ time, event, connection, source, port?, tls?, reason?, durationMs?, packets?, owner?, suppressed? }` */
export function accessLine(event: AccessEvent, nowMs: number, limits: LineLimits): string {
  const max = limits.maxLogFieldBytes;
  return (
    `{"time":${jsonTime(nowMs)},"event":${jsonText(event.event, max)}` +
    `,"connection":${jsonNumber(event.connection)},"source":${jsonText(event.source, max)}` +
    optionalNumber("port", event.port) +
    (event.tls === undefined ? "" : `,"tls":${event.tls ? "true" : "false"}`) +
    optionalText("reason", event.reason, max) +
    optionalNumber("durationMs", event.durationMs) +
    optionalNumber("packets", event.packets) +
    optionalText("owner", event.owner, max) +
    optionalNumber("suppressed", event.suppressed) +
    "}\n"
  );
}

/**
 * `{ time, event, message, level?, connection?, source?, owner?, tokenId?, command?, runId?, error? }`; `error` is
 * `{ name, message, code?, stack, cause?, errors? }`, or a text when no Error was thrown.
 */
export function errorLine(event: ErrorEvent, nowMs: number, limits: LineLimits): string {
  const max = limits.maxLogFieldBytes;
  return (
    `{"time":${jsonTime(nowMs)},"event":${jsonText(event.event, max)},"message":${faultText(event.message, max)}` +
    optionalText("level", event.level, max) +
    optionalNumber("connection", event.connection) +
    optionalText("source", event.source, max) +
    optionalText("owner", event.owner, max) +
    optionalText("tokenId", event.tokenId, max) +
    optionalText("command", event.command, max) +
    optionalText("runId", event.runId, max) +
    (event.error === undefined ? "" : `,"error":${describeError(event.error, limits.maxLogCauses, max)}`) +
    "}\n"
  );
}

/**
 * `{ time (its end, or its start while `status` is `running`), start, runId, command, owner, tokenId, source, args,
 * argsOmitted?, arguments?, argumentsOmitted?, durationMs, status, code?, exitCode?, signal?, outputBytes?, server?, suppressed? }`; `args` has types and lengths, as in
 * `{ "world": "string(5)" }`, and `arguments` has values.
 */
export function commandLine(event: CommandEvent, limits: LineLimits): string {
  const max = limits.maxLogFieldBytes;
  const args = describeArguments(event.args, limits.maxLogArguments, max);
  return (
    `{"time":${jsonTime(event.startedAtMs + event.durationMs)},"start":${jsonTime(event.startedAtMs)}` +
    `,"runId":${jsonText(event.runId, max)}${callText(event, max)},"args":${args.json}` +
    (args.omitted === 0 ? "" : `,"argsOmitted":${args.omitted}`) +
    keptText(event) +
    `,"durationMs":${jsonNumber(event.durationMs)},"status":${jsonText(event.status, max)}` +
    optionalText("code", event.code, max) +
    optionalNumber("exitCode", event.exitCode) +
    optionalText("signal", event.signal, max) +
    optionalNumber("outputBytes", event.outputBytes) +
    optionalText("server", event.server, max) +
    optionalNumber("suppressed", event.suppressed) +
    "}\n"
  );
}

/** The kept values are bounded already: see `keepArguments`. */
function keptText({ arguments: values, argumentsOmitted: omitted }: CommandEvent): string {
  if (values === undefined) return "";
  const names = omitted === undefined ? "" : `,"argumentsOmitted":${harmlessJson(JSON.stringify(omitted))}`;
  return `,"arguments":${harmlessJson(JSON.stringify(values))}${names}`;
}

type Call = Pick<CommandEvent, "command" | "owner" | "tokenId" | "source">;

let lastCall: (Call & { readonly max: number; readonly text: string }) | undefined;

/** The command and the caller. Lines that follow each other often share this part, and to make it costs half of a line. */
function callText({ command, owner, tokenId, source }: Call, max: number): string {
  const last = lastCall;
  if (
    last !== undefined &&
    last.command === command &&
    last.owner === owner &&
    last.tokenId === tokenId &&
    last.source === source &&
    last.max === max
  ) {
    return last.text;
  }
  const text =
    `,"command":${jsonText(command, max)},"owner":${jsonText(owner, max)}` +
    `,"tokenId":${jsonText(tokenId, max)},"source":${jsonText(source, max)}`;
  lastCall = { command, owner, tokenId, source, max, text };
  return text;
}

/** The first line after a gap, so that the log shows that it is incomplete. */
export function linesLostLine(count: number, nowMs: number): string {
  return `{"time":${jsonTime(nowMs)},"event":"lines_lost","count":${jsonNumber(count)}}\n`;
}

function optionalText(name: string, value: string | undefined, max: number): string {
  return value === undefined ? "" : `,"${name}":${jsonText(value, max)}`;
}

function optionalNumber(name: string, value: number | undefined): string {
  return value === undefined ? "" : `,"${name}":${jsonNumber(value)}`;
}
