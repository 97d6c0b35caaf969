// @ts-check
/** A command that runs in a worker thread, and says where it stands in the trace of its caller. */
import { defineCommand } from "iscep";

export const place = defineCommand({
  name: "place",
  thread: import.meta.url,
  run: (_, { traceparent }) => traceparent ?? "none",
});
