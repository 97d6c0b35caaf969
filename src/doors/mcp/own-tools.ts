/** The tools that belong to no command: to wait for a run, to read it, to stop it, and to find it. */
import type { Tool } from "@modelcontextprotocol/server";
import { argumentsChecker } from "../../commands/arguments/check.js";
import { declareArguments } from "../../commands/arguments/declared-arguments.js";
import { argumentsJsonSchema } from "../../commands/arguments/schema.js";
import { IscepError } from "../../errors.js";
import { runStatuses } from "../../model/run-record.js";

export const ownToolNames = ["run_wait", "run_output", "run_cancel", "run_list"] as const;
export type OwnToolName = (typeof ownToolNames)[number];

const run = {
  type: "string",
  description: "The id of the run, as an earlier answer or run_list gave it.",
} as const;

const waitArguments = declareArguments({
  run,
  offset: {
    type: "integer",
    minimum: 0,
    default: 0,
    description: "Where in the output to go on, in bytes: what was shown before it is not shown again.",
  },
});

const outputArguments = declareArguments({
  run,
  offset: {
    type: "integer",
    default: 0,
    allow: ["dash"],
    description: "Where to begin, in bytes from 0. A negative number counts from the end.",
  },
  part: {
    type: "enum",
    choices: ["output", "value"],
    default: "output",
    description: "What to read: what the command printed, or the value that it gave.",
  },
});

const cancelArguments = declareArguments({ run });

const listArguments = declareArguments({
  command: { type: "string", optional: true, description: "Only runs of this command." },
  status: { type: "enum", choices: runStatuses, optional: true, description: "Only runs with this status." },
  limit: { type: "integer", minimum: 1, maximum: 50, default: 10, description: "How many, the newest first." },
});

const readsOnly = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };

const tools = {
  run_wait: {
    schema: waitArguments,
    description:
      "Wait for the end of a run that was not over when its tool answered. Gives the output since `offset`, and the result when the run has ended. Call it again when it says that the run still goes on.",
    annotations: readsOnly,
  },
  run_output: {
    schema: outputArguments,
    description:
      "Read what a run printed, or the value that it gave, from an offset on. Use it for parts that an answer left out. It waits for nothing.",
    annotations: readsOnly,
  },
  run_cancel: {
    schema: cancelArguments,
    description: "Stop a run. Use run_wait afterwards to see how it ended.",
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  },
  run_list: {
    schema: listArguments,
    description:
      "List the newest runs with their ids and how they ended. Use it to find a run whose answer did not arrive, before you call its tool again.",
    annotations: readsOnly,
  },
} as const;

export function isOwnTool(name: string): name is OwnToolName {
  return ownToolNames.some((own) => own === name);
}

export const ownTools: readonly Tool[] = ownToolNames.map((name) => {
  const { schema, description, annotations } = tools[name];
  return { name, description, inputSchema: { ...argumentsJsonSchema(name, schema), type: "object" }, annotations };
});

type Checked<Schema> = Schema extends {
  readonly "~standard": { readonly types?: { readonly output: infer Output } | undefined };
}
  ? Output
  : never;

/** @throws IscepError `invalid_arguments` */
export async function ownArguments<Name extends OwnToolName>(
  name: Name,
  given: unknown,
): Promise<Checked<(typeof tools)[Name]["schema"]>> {
  const { schema } = tools[name];
  const check = await argumentsChecker(schema, argumentsJsonSchema(name, schema))(given);
  if (!check.ok) throw new IscepError("invalid_arguments", check.message);
  // The check has made them what the schema says.
  return check.args as Checked<(typeof tools)[Name]["schema"]>;
}
