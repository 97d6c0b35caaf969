/** Reads bodies within their limits, and within the time that a packet has too. */
import { IscepError } from "../../../errors.js";
import type { Limits } from "../../../limits/limits.js";
import { httpFault } from "../answer/problem.js";

export function mediaType(header: string | undefined): string {
  return (header ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** The body as it comes. */
export function bodyStream(request: Request): AsyncIterable<Uint8Array> {
  return (request.body ?? []) as AsyncIterable<Uint8Array>;
}

/** @throws IscepError `too_large`, before more than the limit is held, and `timeout` */
export async function wholeBody(
  request: Request,
  limits: Limits,
  contentLength: string | undefined,
  limit: BodyLimit = "maxPacketBytes",
): Promise<Buffer> {
  const length = contentLength === undefined ? undefined : Number(contentLength);
  if (length === 0 || (length === undefined && request.body === null)) return Buffer.alloc(0);
  if (length !== undefined && length > limits[limit]) throw tooLarge(limits, limit);
  // The parser of Node takes exactly as many bytes as the request has said.
  const whole =
    length === undefined
      ? gathered(bodyStream(request), limits, limit)
      : request.arrayBuffer().then((bytes) => Buffer.from(bytes));
  return inTime(whole, limits, length);
}

/** @throws IscepError `too_large` */
export async function gathered(
  source: AsyncIterable<Uint8Array>,
  limits: Limits,
  limit: BodyLimit = "maxPacketBytes",
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > limits[limit]) throw tooLarge(limits, limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

const limitWords = {
  maxPacketBytes: "max_packet_bytes",
  maxUnauthenticatedBytes: "max_unauthenticated_bytes",
  maxTypedBytes: "max_typed_bytes",
};

type BodyLimit = keyof typeof limitWords;

function tooLarge(limits: Limits, limit: BodyLimit): IscepError {
  return new IscepError("too_large", `the body may have ${limits[limit]} bytes (limit ${limitWords[limit]})`);
}

/** @throws IscepError `timeout` when the bytes do not come in the time that a packet of this length has */
export async function inTime<Value>(promise: Promise<Value>, limits: Limits, bytes?: number): Promise<Value> {
  const { maxPacketBytes, packetTimeoutMs, packetTimeoutPer64KiBMs } = limits;
  const allowedMs = packetTimeoutMs + Math.floor((bytes ?? maxPacketBytes) / 65_536) * packetTimeoutPer64KiBMs;
  let awaited: AwaitedBody | undefined;
  const late = new Promise<never>((_, reject) => {
    awaited = awaitBody(allowedMs, () =>
      reject(httpFault(408, "timeout", `the body was not whole within ${allowedMs} ms`)),
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    if (awaited !== undefined) awaitedBodies.delete(awaited);
  }
}

interface AwaitedBody {
  readonly dueMs: number;
  readonly late: () => void;
}

/** Most bodies are there at once, and a timer for each costs more than the rest of its reading. So all share one. */
const awaitedBodies = new Set<AwaitedBody>();
let timer: NodeJS.Timeout | undefined;

function awaitBody(allowedMs: number, late: () => void): AwaitedBody {
  const awaited = { dueMs: performance.now() + allowedMs, late };
  awaitedBodies.add(awaited);
  timer ??= setTimeout(lookSoon, Math.min(lookMs, allowedMs)).unref();
  return awaited;
}

const lookMs = 250;

/** When this process stood still, a body that has come meanwhile is read first. */
function lookSoon(): void {
  setImmediate(lookAtBodies);
}

function lookAtBodies(): void {
  timer = undefined;
  const nowMs = performance.now();
  for (const awaited of awaitedBodies) {
    if (awaited.dueMs > nowMs) continue;
    awaitedBodies.delete(awaited);
    awaited.late();
  }
  if (awaitedBodies.size > 0) timer = setTimeout(lookSoon, lookMs).unref();
}
