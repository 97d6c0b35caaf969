/** The messages to a worker thread and back. Structured clone loses classes, so errors travel as plain objects. */
import type { MessagePort } from "node:worker_threads";
import { IscepError, isErrorCode, isIscepError, type ErrorCode } from "../../errors.js";
import type { ProgressLimits } from "../run/paced-progress.js";
import type { JsonLimits } from "../../wire/json.js";
import { limitTable } from "../../limits/limits.js";

export interface ThreadTask {
  /** file: URL of the module that defines the command */
  readonly module: string;
  readonly command: string;
  readonly args: unknown;
  readonly runId: string;
  readonly traceparent: string | undefined;
  readonly identity: { readonly owner: string; readonly tokenId: string | null };
  readonly limits: JsonLimits & ProgressLimits;
  /** The port for everything that passes while it runs. */
  readonly port: MessagePort;
  /** Whether the command may begin: see `begin` and `withdraw`. */
  readonly gate: Int32Array;
}

const waiting = 0;
const begun = 1;
const withdrawn = 2;

/** Only one of `begin` and `withdraw` succeeds, so a command never begins after its caller was told that it was left. */
export function createGate(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
}

/** In the thread, right before the command is called. False: it must not be called. */
export function begin(gate: Int32Array): boolean {
  return Atomics.compareExchange(gate, 0, waiting, begun) === waiting;
}

/** False: the command has begun. */
export function withdraw(gate: Int32Array): boolean {
  return Atomics.compareExchange(gate, 0, waiting, withdrawn) !== begun;
}

export type ThreadMessage =
  /** The command's module is loaded, or cannot be: what follows is the command's own. */
  { readonly kind: "loaded" } | { readonly kind: "answer"; readonly answer: ThreadAnswer };

export type ThreadAnswer =
  { readonly ok: true; readonly json: string | undefined } | { readonly ok: false; readonly thrown: PackedThrown };

export type PackedThrown = PackedError | { readonly kind: "other"; readonly text: string };

interface PackedError {
  readonly kind: "error";
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** The code of an IscepError, or the own code of other errors, such as system errors. */
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: PackedThrown;
}

export function packThrown(thrown: unknown, causesLeft: number = limitTable.maxLogCauses.default): PackedThrown {
  if (!(thrown instanceof Error)) return { kind: "other", text: textOf(thrown) };
  const { cause } = thrown;
  return {
    kind: "error",
    name: textOf(thrown.name),
    message: textOf(thrown.message),
    ...(typeof thrown.stack === "string" ? { stack: thrown.stack } : {}),
    ...("code" in thrown && typeof thrown.code === "string" ? { code: thrown.code } : {}),
    ...(isIscepError(thrown) && isCloneable(thrown.details) ? { details: thrown.details } : {}),
    ...(cause === undefined || causesLeft === 0 ? {} : { cause: packThrown(cause, causesLeft - 1) }),
  };
}

export function unpackThrown(packed: PackedThrown): unknown {
  if (packed.kind === "other") return packed.text;
  const options = packed.cause === undefined ? {} : { cause: unpackThrown(packed.cause) };
  const error = isIscepCode(packed)
    ? new IscepError(packed.code, packed.message, { ...options, details: packed.details ?? {} })
    : new Error(packed.message, options);
  if (packed.stack !== undefined) error.stack = packed.stack;
  if (!(error instanceof IscepError)) {
    if (packed.name !== "Error") define(error, "name", packed.name);
    if (packed.code !== undefined) define(error, "code", packed.code);
  }
  return error;
}

function isCloneable(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return typeof value !== "function" && typeof value !== "symbol";
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

function isIscepCode(packed: PackedError): packed is PackedError & { readonly code: ErrorCode } {
  return packed.name === "IscepError" && packed.code !== undefined && isErrorCode(packed.code);
}

function define(error: Error, property: "name" | "code", value: string): void {
  Object.defineProperty(error, property, {
    value,
    enumerable: property === "code",
    configurable: true,
    writable: true,
  });
}

/** A thrown object may have no text. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "something that has no text";
  }
}
