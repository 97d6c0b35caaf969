/** Requests to the server that this page came from. The session is in a cookie that no script can read. */
import { Problem, problemOf, unreachable } from "./problem.js";

export interface RequestOptions {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Sent as JSON, unless it is a form with files, or bytes. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** With a signal there is no time limit. */
  readonly signal?: AbortSignal;
  /** Default: 30 s for GET and DELETE, and none for a call, which may have much input to send. */
  readonly timeoutMs?: number;
}

/** An answer that takes longer is lost in the network, or waits for one of the few connections of a browser. */
export const answerTimeoutMs = 30_000;

type Listener = (event: "answered" | "unreachable" | "unauthorized") => void;
const listeners = new Set<Listener>();

/** Tells about every request whether the server answered, and whether it refused to do this for who asks. */
export function onServerAnswer(listener: Listener): void {
  listeners.add(listener);
}

function tell(event: Parameters<Listener>[0]): void {
  for (const listener of listeners) listener(event);
}

/** @throws Problem unless the answer is a success */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  const { method = "GET", body, headers = {} } = options;
  const { timeoutMs = method === "GET" || method === "DELETE" ? answerTimeoutMs : undefined } = options;
  const signal = options.signal ?? (timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs));
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined || hasOwnType(body) ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      credentials: "same-origin",
      redirect: "error",
      ...(body === undefined ? {} : { body: hasOwnType(body) ? body : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (isGivenUp(signal)) throw error;
    tell("unreachable");
    throw unreachable(error);
  }
  if (response.ok) {
    tell("answered");
    return response;
  }
  const problem = await problemOf(response);
  tell(
    problem.isUnreachable && !response.headers.get("content-type")?.includes("problem") ? "unreachable" : "answered",
  );
  if (problem.facts.status === 401) tell("unauthorized");
  throw problem;
}

/** Nobody wants the answer any more. When its time is over, the server cannot be reached. */
function isGivenUp(signal: AbortSignal | undefined): boolean {
  const reason: unknown = signal?.reason;
  return signal?.aborted === true && !(reason instanceof DOMException && reason.name === "TimeoutError");
}

/** Its type stands in it. */
function hasOwnType(body: unknown): body is FormData | Blob {
  return body instanceof FormData || body instanceof Blob;
}

/** The JSON of an answer. @throws Problem also when it is not JSON */
export async function requestJson(path: string, options: RequestOptions = {}): Promise<unknown> {
  const response = await request(path, options);
  // An answer that breaks off behind its head is one that did not come.
  const text = await response.text().catch((error: unknown) => {
    if (isGivenUp(options.signal)) throw error;
    tell("unreachable");
    throw unreachable(error);
  });
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Problem(
      {
        status: response.status,
        code: "protocol",
        title: "The answer cannot be read",
        detail: "The server sent something that is not JSON.",
        action: "Check that the address leads to iscep, and not to something before it.",
      },
      error,
    );
  }
}
