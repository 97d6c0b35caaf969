/** The schemas of OpenAPI that are the same for every caller. They say what the other files of this folder send. */
import { errorTable } from "../../../errors.js";
import { outcomeTable } from "../../../model/outcome.js";
import { runStatuses } from "../../../model/run-record.js";

export type Json = { readonly [member: string]: unknown };

const text = { type: "string" };
const count = { type: "integer", minimum: 0 };
const time = { type: "integer", minimum: 0, description: "Unix time in milliseconds" };
const flag = { const: true };
const anything = { description: "any JSON value" };

export function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

export function objectOf(properties: Json, required: readonly string[], description?: string): Json {
  return { type: "object", ...(description === undefined ? {} : { description }), properties, required };
}

const changes = {
  truncated: { ...flag, description: "The script printed more than it may, and the rest was dropped." },
  masked: { ...flag, description: "A secret argument in the output became `***`." },
};

const outcome = {
  value: { ...anything, description: "what the command gave back" },
  valueError: ref("ErrorView"),
  error: ref("ErrorView"),
  exitCode: { type: "integer", description: "how the script ended" },
  signal: { ...text, description: "the signal that ended the script" },
  ...changes,
};

const record = {
  run: { ...text, description: "the id of the run" },
  command: text,
  owner: { ...text, description: "who called; `schedule` for what the server runs by itself" },
  startedAtMs: time,
  endedAtMs: time,
  status: { enum: runStatuses },
  code: { ...text, description: "the error code of a run that did not complete" },
  exitCode: { type: "integer" },
  signal: text,
  outputBytes: { ...count, description: "what it has printed so far, on both channels" },
  arguments: { type: "object", description: "the values that the server keeps" },
  argumentsOmitted: { type: "array", items: text, description: "the names of those that it does not keep" },
  ...changes,
};
const recordRequired = ["run", "command", "owner", "startedAtMs", "status", "outputBytes"];

const openInput = {
  ...objectOf({ offset: count }, ["offset"]),
  description: "the standard input that stays open for this caller, and how many bytes of it were taken",
};

export const schemas: Json = {
  ErrorView: objectOf({ code: ref("ErrorCode"), message: text, action: text }, ["code", "message"]),
  ErrorCode: {
    enum: Object.keys(errorTable),
    description: Object.entries(errorTable)
      .map(([code, { sentence }]) => `- \`${code}\`: ${sentence}`)
      .join("\n"),
  },
  Problem: objectOf(
    {
      type: { ...text, format: "uri-reference" },
      title: text,
      status: { type: "integer", minimum: 400, maximum: 599 },
      detail: { ...text, description: "what happened, for people" },
      code: ref("ErrorCode"),
      action: { ...text, description: "what to do about it" },
      run: { ...text, description: "the run that it is about" },
      outcome: ref("Outcome"),
      offset: {
        ...count,
        description: "how many bytes the standard input of the run has taken, of the writer or in all",
      },
      start: { ...count, description: "with `output_gone`: the first offset that is still kept" },
    },
    ["type", "title", "status", "detail", "code"],
    "Problem details (RFC 9457)",
  ),
  Outcome: objectOf(
    { status: { enum: Object.keys(outcomeTable) }, ...outcome },
    ["status"],
    Object.entries(outcomeTable)
      .map(([status, { sentence }]) => `- \`${status}\`: ${sentence}`)
      .join("\n"),
  ),
  Started: objectOf({ run: text, status: { const: "running" } }, ["run", "status"]),
  RunRecord: objectOf(record, recordRequired),
  Run: objectOf(
    { ...record, ...outcome, input: openInput },
    recordRequired,
    "A run, with its value or its error when it has ended",
  ),
  RunsPage: objectOf(
    {
      runs: { type: "array", items: ref("RunRecord"), description: "newest first" },
      next: { type: ["string", "null"], description: "the cursor of the next page" },
    },
    ["runs", "next"],
  ),
  Command: objectOf(
    {
      name: text,
      description: text,
      kind: { enum: ["function", "script"] },
      args: { type: "object", description: "JSON Schema (2020-12) of the arguments" },
      result: { type: "object", description: "JSON Schema of the value, where it is known" },
      timeoutMs: count,
    },
    ["name", "description", "kind", "args"],
  ),
  Commands: objectOf({ commands: { type: "array", items: ref("Command") } }, ["commands"]),
  Schedule: objectOf(
    {
      command: text,
      cron: text,
      timeZone: text,
      args: { type: "object" },
      nextMs: { type: "array", items: time },
      nextAtMs: { ...time, type: ["integer", "null"] },
      last: ref("RunRecord"),
    },
    ["command", "cron", "timeZone", "args", "nextMs", "nextAtMs"],
  ),
  Schedules: objectOf({ schedules: { type: "array", items: ref("Schedule") } }, ["schedules"]),
  Session: objectOf(
    {
      owner: text,
      tokenId: { type: ["string", "null"] },
      expiresAtMs: time,
      open: { type: "boolean", description: "the server asks for no token" },
      scopes: { type: "array", items: text },
      rights: { type: "array", items: objectOf({ scope: text, says: text }, ["scope", "says"]) },
      commands: {
        type: "array",
        items: objectOf({ command: text, why: text }, ["command", "why"]),
        description: "what the caller may run, and which of their scopes allows it",
      },
    },
    ["owner", "tokenId", "open"],
  ),
};
