import { randomUUID } from "node:crypto";

let lastMs = -1;
let timestamp = "";

/** A UUIDv7 (RFC 9562, section 5.7). It sorts by time, and its 74 random bits make it unguessable. */
export function createRunId(nowMs: number = Date.now()): string {
  if (nowMs !== lastMs) {
    const hex = nowMs.toString(16).padStart(12, "0");
    timestamp = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    lastMs = nowMs;
  }
  // The random bits come from a UUIDv4, which Node draws from a pool: three digits after the version, then the variant
  // and the rest.
  return [timestamp, randomUUID().slice(15)].join("");
}
