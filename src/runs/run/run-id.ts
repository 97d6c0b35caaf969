import { randomUUID } from "node:crypto";

const maxSequence = 0xfff;
/** A clock that was set back by more than this is believed; until then ids count on from the last one. */
const maxAheadMs = 10_000;

let lastMs = -1;
let sequence = 0;
let timestamp = "";

function beginAt(ms: number): void {
  const hex = ms.toString(16).padStart(12, "0");
  timestamp = `${hex.slice(0, 8)}-${hex.slice(8)}-`;
  lastMs = ms;
  sequence = 0;
}

/**
 * A UUIDv7 (RFC 9562, section 5.7). Each one is larger than those that this process made before, because runs are listed
 * and removed in the order of their ids: the 12 bits behind the version count within a millisecond (section 6.2, method
 * 1). The 62 random bits make it unguessable.
 */
export function createRunId(nowMs: number = Date.now()): string {
  if (nowMs > lastMs || nowMs < lastMs - maxAheadMs) beginAt(nowMs);
  else if (sequence < maxSequence) sequence++;
  else beginAt(lastMs + 1);
  // The random bits come from a UUIDv4, which Node draws from a pool: the variant and the rest.
  return [timestamp, (0x7000 + sequence).toString(16), randomUUID().slice(18)].join("");
}
