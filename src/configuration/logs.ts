/** Reads `logs:` of iscep.yaml: a folder, or a stream of the process. */
import type { LogStream } from "../model/logs.js";
import { mapOf, type ValueKind } from "./keys.js";
import { choice, filePath } from "./values.js";

const stream = mapOf<LogStream>("`{ to: stderr or stdout, format: json }`", {
  to: {
    field: "to",
    kind: choice(["stderr", "stdout"]),
    says: "The stream of `iscep serve` that gets the lines.",
    required: "stderr or stdout",
  },
  format: { field: "format", kind: choice(["json"]), says: "One JSON object a line.", default: "`json`" },
});

export const logs: ValueKind<string | LogStream> = {
  words: "path, or `{ to: stderr or stdout, format: json }`",
  schema: { anyOf: [filePath.schema, stream.schema] },
  read(value, context) {
    if (!value.isMap) return filePath.read(value, context);
    // Without `to`, the problems already say so, and nothing uses what is returned here.
    return { to: "stderr", ...stream.read(value, context) };
  },
};
