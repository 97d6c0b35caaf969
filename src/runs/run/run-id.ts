import { randomUUID } from "node:crypto";

let lastMs = -1;
let timestamp = "";

/** UUIDv7 (RFC 9562, section 5.7): sorts by time, and 74 random bits make it unguessable. */
export function createRunId(nowMs: number = Date.now()): string {
  if (nowMs !== lastMs) {
    const hex = nowMs.toString(16).padStart(12, "0");
    timestamp = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    lastMs = nowMs;
  }
  // Random bits of a UUIDv4, which Node draws from a pool: three digits after the version, then variant and the rest.
  // Joined, as a sum would keep both of its parts beside the text that it becomes.
  return [timestamp, randomUUID().slice(15)].join("");
}
