import type { AccessEvent, CommandEvent, ErrorEvent } from "#iscep/model/logs";

export const accessEvent: AccessEvent = { event: "open", connection: 1, source: "127.0.0.1" };
export const errorEvent: ErrorEvent = { event: "internal", message: "it broke" };
export const commandEvent: CommandEvent = {
  runId: "0198c0de-1111-7222-8333-444455556666",
  command: "backup_world",
  owner: "panel",
  tokenId: "abcdefghijkl",
  source: "127.0.0.1",
  startedAtMs: Date.UTC(2026, 7, 1, 12),
  durationMs: 1500,
  status: "completed",
  args: { world: "alpha", count: 3 },
};
