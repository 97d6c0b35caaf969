/** The JSON-RPC 2.0 messages of version 2, read with suspicion (PROTOCOL.md, "Messages"). */
import { IscepError } from "../errors.js";
import { isJsonObject, type JsonObject } from "../wire/json.js";

/** Ids of requests also name streams, so they must fit into the Stream field of a DATA packet. */
export const maxRequestId = 2 ** 32 - 1;

export interface TerminalParams {
  readonly rows: number;
  readonly columns: number;
  /** The value of TERM at the caller. */
  readonly term?: string;
}

export interface CallParams {
  readonly command: string;
  readonly args?: unknown;
  readonly timeoutMs?: number;
  /** False: the call is refused with `busy` when it cannot begin at once. */
  readonly wait?: boolean;
  /** The run goes on when this connection ends. */
  readonly detach?: boolean;
  /** A call with the key of an earlier one joins that run. */
  readonly idempotencyKey?: string;
  /** The span of the caller (W3C Trace Context). A text of another form is ignored. */
  readonly traceparent?: string;
  /** The caller will send standard input. */
  readonly stdin?: boolean;
  /** The caller's terminal. */
  readonly terminal?: TerminalParams;
  /** The offset from which on the caller wants output. undefined: no output. */
  readonly output?: number;
}

export type RequestMessage =
  | { readonly method: "authenticate"; readonly id: number; readonly token: string; readonly proof: string }
  | { readonly method: "call"; readonly id: number; readonly call: CallParams }
  | {
      readonly method: "attach";
      readonly id: number;
      readonly run: string;
      readonly offset: number | undefined;
      readonly stdin: boolean;
      /** True when the caller goes on with its own call after the connection of the call has ended. */
      readonly resumes: boolean;
      /** True when the call that the caller goes on with was detached. */
      readonly detach: boolean;
    }
  | {
      readonly method: "cancel";
      readonly id: number;
      readonly run: string | undefined;
      readonly call: number | undefined;
    }
  | { readonly method: "withdraw"; readonly id: number; readonly call: number }
  | { readonly method: "list"; readonly id: number; readonly after: string | undefined }
  | {
      readonly method: "runs";
      readonly id: number;
      readonly run: string | undefined;
      readonly idempotencyKey: string | undefined;
      readonly after: string | undefined;
      readonly limit: number | undefined;
      readonly all: boolean;
      readonly command: string | undefined;
      readonly status: string | undefined;
      readonly owner: string | undefined;
      readonly sinceMs: number | undefined;
    }
  | { readonly method: "whoami"; readonly id: number }
  | { readonly method: "schedules"; readonly id: number; readonly after: string | undefined }
  | { readonly method: "echo"; readonly id: number; readonly value: unknown }
  | { readonly method: "ping"; readonly id: number };

export type ClientMessage =
  | RequestMessage
  | { readonly method: "window"; readonly stream: number; readonly bytes: number }
  | { readonly method: "leave"; readonly stream: number }
  | { readonly method: "resize"; readonly call: number; readonly rows: number; readonly columns: number }
  /** A request that this version does not know. It gets an answer, so that a newer peer can go on without it. */
  | { readonly method: "unknown"; readonly id: number; readonly name: string }
  /** A request whose parameters are wrong. */
  | { readonly method: "invalid"; readonly id: number; readonly error: IscepError }
  /** A notification that this version does not know. It is ignored. */
  | { readonly method: "ignored" };

/** @throws IscepError `protocol` when it is not a JSON-RPC 2.0 request or notification */
export function readClientMessage(message: unknown): ClientMessage {
  const method = isJsonObject(message) ? message["method"] : undefined;
  if (!isJsonObject(message) || message["jsonrpc"] !== "2.0" || typeof method !== "string") {
    throw new IscepError("protocol", "a message is not a JSON-RPC 2.0 request or notification");
  }
  const { id } = message;
  const params = message["params"] ?? {};
  if (!isJsonObject(params)) throw new IscepError("protocol", "the params of a message are not an object");
  if (id === undefined) return readNotification(method, params);
  if (!isRequestId(id))
    throw new IscepError("protocol", `the id of a request is not a whole number from 1 to ${maxRequestId}`);
  try {
    return readRequest(method, id, params);
  } catch (error) {
    if (error instanceof IscepError) return { method: "invalid", id, error };
    throw error;
  }
}

function isRequestId(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= maxRequestId;
}

function readNotification(method: string, params: JsonObject): ClientMessage {
  if (method === "leave") return { method, stream: wholeNumber(params, "stream") };
  if (method === "resize") return { method, call: wholeNumber(params, "call"), ...sizeOf(params) };
  if (method !== "window") return { method: "ignored" };
  return { method, stream: wholeNumber(params, "stream"), bytes: wholeNumber(params, "bytes") };
}

function readRequest(method: string, id: number, params: JsonObject): ClientMessage {
  switch (method) {
    case "call":
      return { method, id, call: readCall(params) };
    case "authenticate":
      return { method, id, token: text(params, "token"), proof: text(params, "proof") };
    case "attach": {
      const resumes = optionalBoolean(params, "resumes") === true;
      return {
        method,
        id,
        run: text(params, "run"),
        offset: optionalWholeNumber(params, "offset"),
        stdin: optionalBoolean(params, "stdin") === true,
        resumes,
        detach: optionalBoolean(params, "detach") === true && resumes,
      };
    }
    case "cancel": {
      const run = optionalText(params, "run");
      const call = optionalWholeNumber(params, "call");
      if ((run === undefined) === (call === undefined)) throw invalid("cancel takes either a run or a call");
      return { method, id, run, call };
    }
    case "withdraw":
      return { method, id, call: wholeNumber(params, "call") };
    case "list":
      return { method, id, after: optionalText(params, "after") };
    case "runs":
      return {
        method,
        id,
        run: optionalText(params, "run"),
        idempotencyKey: optionalText(params, "idempotencyKey"),
        after: optionalText(params, "after"),
        limit: optionalWholeNumber(params, "limit"),
        all: optionalBoolean(params, "all") === true,
        command: optionalText(params, "command"),
        status: optionalText(params, "status"),
        owner: optionalText(params, "owner"),
        sinceMs: optionalWholeNumber(params, "sinceMs"),
      };
    case "echo":
      return { method, id, value: params["value"] };
    case "schedules":
      return { method, id, after: optionalText(params, "after") };
    case "ping":
    case "whoami":
      return { method, id };
    default:
      return { method: "unknown", id, name: method };
  }
}

/** Returns the params themselves once each member is checked, because calls are too frequent to copy them. */
function readCall(params: JsonObject): CallParams {
  if (!isCallParams(params)) throw invalid("the command of a call must be a string");
  if (optionalWholeNumber(params, "timeoutMs") === 0) throw invalid("timeoutMs is at least 1");
  const output = optionalWholeNumber(params, "output");
  if (output !== undefined && output !== 0)
    throw invalid("the output of a call begins at 0; attach takes other offsets");
  optionalText(params, "traceparent");
  optionalBoolean(params, "wait");
  optionalBoolean(params, "detach");
  optionalBoolean(params, "stdin");
  if (params["terminal"] !== undefined) checkTerminal(params["terminal"]);
  const key = optionalText(params, "idempotencyKey");
  if (key !== undefined && (key === "" || key.length > 256)) throw invalid("idempotencyKey has 1 to 256 characters");
  return params;
}

/** The system keeps rows and columns in 16 bits each. */
const maxSize = 2 ** 16 - 1;

function sizeOf(params: JsonObject): { rows: number; columns: number } {
  const [rows, columns] = [wholeNumber(params, "rows"), wholeNumber(params, "columns")];
  if (Math.min(rows, columns) < 1 || Math.max(rows, columns) > maxSize)
    throw invalid(`rows and columns of a terminal are 1 to ${maxSize}`);
  return { rows, columns };
}

/** What TERM may be. It becomes a variable of the program, which looks for a file of that name. */
const termForm = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;

function checkTerminal(terminal: unknown): void {
  if (!isJsonObject(terminal)) throw invalid("terminal must be an object");
  sizeOf(terminal);
  const term = optionalText(terminal, "term");
  if (term !== undefined && !termForm.test(term)) throw invalid("the term of a terminal is a name like xterm-256color");
}

function isCallParams(params: JsonObject): params is JsonObject & CallParams {
  return typeof params["command"] === "string";
}

function text(params: JsonObject, name: string): string {
  const value = params[name];
  if (typeof value !== "string") throw invalid(`${name} must be a string`);
  return value;
}

function optionalText(params: JsonObject, name: string): string | undefined {
  return params[name] === undefined ? undefined : text(params, name);
}

function wholeNumber(params: JsonObject, name: string): number {
  const value = params[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw invalid(`${name} must be a whole number`);
  return value;
}

function optionalWholeNumber(params: JsonObject, name: string): number | undefined {
  return params[name] === undefined ? undefined : wholeNumber(params, name);
}

function optionalBoolean(params: JsonObject, name: string): boolean | undefined {
  const value = params[name];
  if (value !== undefined && typeof value !== "boolean") throw invalid(`${name} must be true or false`);
  return value;
}

function invalid(message: string): IscepError {
  return new IscepError("invalid_arguments", message);
}
