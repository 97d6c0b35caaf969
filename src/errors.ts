/**
 * Every way in which iscep can fail. There is one class and one closed table. A code never changes its meaning, so
 * programs compare `error.code` (two copies of a library break `instanceof`), people read the message, and the cause is
 * kept.
 */

export interface ErrorKind {
  /** The number that version 2 uses, and gateways that speak JSON-RPC. */
  readonly jsonRpc: number;
  /** What the command line ends with (from sysexits where it fits). */
  readonly exitCode: number;
  /** The status of an HTTP answer (RFC 9110) whose problem details (RFC 9457) carry the code. */
  readonly http: number;
  /** What happened in general, and what to do about it. A message may be more precise. */
  readonly sentence: string;
}

export const errorTable = {
  usage: {
    jsonRpc: -32600,
    exitCode: 64,
    http: 400,
    sentence:
      "The options contradict each other or a value is missing; read the message and the documentation of that option.",
  },
  configuration: {
    jsonRpc: -32010,
    exitCode: 64,
    http: 500,
    sentence:
      "A file that iscep needs (configuration, tokens, certificate, commands) is missing, unreadable or wrong; mend the file.",
  },
  invalid_arguments: {
    jsonRpc: -32602,
    exitCode: 65,
    http: 422,
    sentence: "The arguments do not fit the command; the message names the argument and what it must be.",
  },
  too_large: {
    jsonRpc: -32011,
    exitCode: 65,
    http: 413,
    sentence: "A value is larger than the limit that the message names; send less, or raise that limit on both sides.",
  },
  connect_failed: {
    jsonRpc: -32012,
    exitCode: 69,
    http: 502,
    sentence: "No connection could be made; check the address and that the server is running.",
  },
  not_trusted: {
    jsonRpc: -32013,
    exitCode: 69,
    http: 502,
    sentence:
      "The server's certificate is not the expected one; give its pin or its certificate file, from a source you trust.",
  },
  listen_failed: {
    jsonRpc: -32014,
    exitCode: 69,
    http: 500,
    sentence: "The server could not listen on that address; choose another, or stop what uses it.",
  },
  closed: {
    jsonRpc: -32015,
    exitCode: 69,
    http: 503,
    sentence: "The client or server was closed before the call was sent; it did not run.",
  },
  busy: {
    jsonRpc: -32016,
    exitCode: 75,
    http: 503,
    sentence: "The server is at one of its limits and did not start the call; try again later.",
  },
  lost: {
    jsonRpc: -32017,
    exitCode: 76,
    http: 502,
    sentence: "The connection ended before the answer came; nobody knows whether the command ran.",
  },
  protocol: {
    jsonRpc: -32700,
    exitCode: 76,
    http: 400,
    sentence:
      "The other side sent bytes that are not this protocol; check that the address, port and TLS setting are right.",
  },
  unauthorized: {
    jsonRpc: -32001,
    exitCode: 77,
    http: 401,
    sentence: "The server did not accept the token, or none was given; give a valid token.",
  },
  command_not_found: {
    jsonRpc: -32601,
    exitCode: 77,
    http: 404,
    sentence: "There is no such command, or this token may not run it; `iscep ls` lists the commands that it may run.",
  },
  run_not_found: {
    jsonRpc: -32018,
    exitCode: 77,
    http: 404,
    sentence:
      "There is no such run any more, or it belongs to another owner; `iscep runs` lists the runs that you may see.",
  },
  output_gone: {
    jsonRpc: -32019,
    exitCode: 76,
    http: 410,
    sentence: "The output from that offset on is no longer kept; attach at a later offset.",
  },
  value_gone: {
    jsonRpc: -32020,
    exitCode: 76,
    http: 410,
    sentence: "The command completed, but its value is no longer kept.",
  },
  timeout: {
    jsonRpc: -32002,
    exitCode: 124,
    http: 504,
    sentence: "It took longer than the timeout that the message names.",
  },
  cancelled: {
    jsonRpc: -32003,
    exitCode: 130,
    http: 409,
    sentence: "The call was cancelled.",
  },
  killed: {
    jsonRpc: -32004,
    exitCode: 137,
    http: 500,
    sentence: "The command's process or thread was ended from outside, by a signal or by the system.",
  },
  failed: {
    jsonRpc: -32000,
    exitCode: 1,
    http: 500,
    sentence: "The command ran and failed; its server's error.log has the reason.",
  },
  internal: {
    jsonRpc: -32603,
    exitCode: 70,
    http: 500,
    sentence: "Something inside iscep went wrong; please report it with the message and the cause.",
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorTable;

export interface IscepErrorOptions {
  cause?: unknown;
  /** Details for programs, never a secret: the argument's name, the limit, the run's id. */
  details?: Readonly<Record<string, unknown>>;
}

export class IscepError extends Error {
  override readonly name = "IscepError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message?: string, options: IscepErrorOptions = {}) {
    super(message ?? errorTable[code].sentence, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details ?? {};
  }

  get exitCode(): number {
    return errorTable[this.code].exitCode;
  }

  get http(): number {
    return errorTable[this.code].http;
  }

  get jsonRpc(): number {
    return errorTable[this.code].jsonRpc;
  }

  toJSON(): { code: ErrorCode; message: string; details?: Readonly<Record<string, unknown>> } {
    return Object.keys(this.details).length === 0
      ? { code: this.code, message: this.message }
      : { code: this.code, message: this.message, details: this.details };
  }
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorTable, text);
}

/** Compares the shape, because `instanceof` fails between two copies of the package. */
export function isIscepError(value: unknown): value is IscepError {
  try {
    return (
      value instanceof Error &&
      value.name === "IscepError" &&
      "code" in value &&
      typeof value.code === "string" &&
      isErrorCode(value.code) &&
      typeof value.message === "string"
    );
  } catch {
    // Anything can be thrown, even a proxy or an object whose getters throw.
    return false;
  }
}

/** The text of anything that was thrown. This function itself never throws. */
export function textOfThrown(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return String(thrown);
    const { message }: { message: unknown } = thrown;
    return String(message);
  } catch {
    return "something was thrown that has no text";
  }
}

/** Makes an IscepError of anything that was thrown, with the original as its cause. */
export function toIscepError(thrown: unknown, code: ErrorCode = "internal", prefix = ""): IscepError {
  if (isIscepError(thrown)) return thrown;
  return new IscepError(code, prefix + textOfThrown(thrown), { cause: thrown });
}
