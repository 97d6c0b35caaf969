/** Answers `POST /commands/NAME`: with the outcome, with the address of the run, or with the run live. */
import { within } from "../../../waiting/within.js";
import type { Client } from "../../../client/client.js";
import type { RunHandle } from "../../../client/protocol/run-handle.js";
import { IscepError } from "../../../errors.js";
import type { Outcome } from "../../../model/outcome.js";
import { callInputOf, type CallInput } from "./input.js";
import { eventsResponse } from "../runs/events.js";
import { jsonResponse } from "../answer/json-response.js";
import { longestTimeoutMs, type HttpContext, type HttpHost } from "../request/mount.js";
import { outcomeResponse } from "../answer/outcome-answer.js";
import { acceptsEvents, preferencesOf } from "../request/preferences.js";

export interface GivenCall extends CallInput {
  /** Called when nobody reads a live answer any more, maybe more than once. */
  readonly over?: () => void;
}

/** @param given the parts of the request that were read already */
export async function answerCall(
  context: HttpContext,
  host: HttpHost,
  name: string,
  given?: GivenCall,
): Promise<Response> {
  const isLive = acceptsEvents(context.req.header("accept"));
  const hasSession = context.req.header("cookie") !== undefined;
  if (!isLive && !hasSession) return called({ context, host, name, given, client: host.clientOf(context) });
  // A live answer ends with its reader, and a call of a browser ends with its session.
  const client = host.followerOf(context);
  const over = (): void => {
    given?.over?.();
    void client.close();
  };
  try {
    const response = await called({ context, host, name, given, client, over: isLive ? over : undefined });
    if (!isLive) over();
    return response;
  } catch (error) {
    over();
    throw error;
  }
}

interface Asked {
  readonly context: HttpContext;
  readonly host: HttpHost;
  readonly name: string;
  readonly given: CallInput | undefined;
  readonly client: Client;
  /** Called when a live answer is over. undefined: the answer is not live. */
  readonly over?: (() => void) | undefined;
}

async function called({ context, host, name, given, client, over }: Asked): Promise<Response> {
  const { req } = context;
  const isLive = over !== undefined;
  const { args, stdin } = given ?? (await callInputOf(context, host.limits));
  const { respondAsync, waitSeconds } = preferencesOf(req.header("prefer"));
  const isAsync = !isLive && (respondAsync || waitSeconds !== undefined);
  const key = req.header("idempotency-key");
  const traceparent = req.header("traceparent");
  const input = stdin === undefined ? undefined : new WatchedInput(stdin);
  const handle: RunHandle = client.run(name, args, {
    // The command has a timeout of its own.
    timeoutMs: longestTimeoutMs,
    output: isLive,
    ...(isAsync ? { detach: true } : {}),
    ...(key === undefined ? {} : { idempotencyKey: keyOf(key) }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(input === undefined ? {} : { stdin: input }),
  });
  if (isLive) return eventsResponse(handle, { offset: 0, heartbeatMs: host.limits.eventHeartbeatMs, over });
  const outcome = isAsync
    ? await outcomeWithin(client, handle, (waitSeconds ?? 0) * 1_000, input)
    : await handle.outcome;
  const run = await handle.id.catch(() => undefined);
  if (outcome !== undefined || run === undefined) return outcomeResponse(outcome ?? (await handle.outcome), run);
  return startedResponse(run);
}

/** The run goes on without its caller. */
export function startedResponse(run: string): Response {
  const headers = { location: `/runs/${run}`, "retry-after": "1", "preference-applied": "respond-async" };
  return jsonResponse({ run, status: "running" }, 202, headers);
}

/**
 * The key is a string of RFC 9651 (draft-ietf-httpapi-idempotency-key-header-07), but most callers send it bare.
 * @throws IscepError `usage`
 */
export function keyOf(header: string): string {
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header)?.[1];
  const key = quoted === undefined ? header : quoted.replace(/\\(.)/g, "$1");
  if (key.length >= 1 && key.length <= 256) return key;
  throw new IscepError("usage", "an Idempotency-Key has 1 to 256 characters");
}

/** The outcome; undefined when it did not come in time. A call that is refused has its outcome before it has an id. */
async function outcomeWithin(
  client: Client,
  { id, outcome }: RunHandle,
  waitMs: number,
  input?: WatchedInput,
): Promise<Outcome | undefined> {
  await id.catch(() => undefined);
  // After an answer, nobody reads what is left of the request.
  if (input !== undefined) {
    await Promise.race([input.over, outcome]);
    await passedOn(client);
  }
  return within(outcome, waitMs);
}

/**
 * Resolves when the run has all input that was read for it. The client may be closed after the answer, and input that
 * still waits in it would be lost; the run would wait for it without end.
 */
async function passedOn(client: Client): Promise<void> {
  // The end of the input is sent in this turn, and messages keep their order.
  await new Promise((resolve) => setImmediate(resolve));
  // A client that is closed already passes on nothing more.
  await client.ping().catch(() => undefined);
}

/** Tells when all of the input was read. */
class WatchedInput implements AsyncIterable<Uint8Array> {
  readonly over: Promise<void>;
  readonly #source: AsyncIterable<Uint8Array>;
  #isOver: () => void = () => {};

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
    this.over = new Promise((resolve) => (this.#isOver = resolve));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      for await (const chunk of this.#source) yield chunk;
    } finally {
      this.#isOver();
    }
  }
}
