/** The paths of OpenAPI that are the same for every caller. */
import { runStatuses } from "../../../model/run-record.js";
import { objectOf, ref, type Json } from "./schemas.js";

const text = { type: "string" };

export function jsonContent(schema: Json): Json {
  return { "application/json": { schema } };
}

function answer(description: string, schema: Json): Json {
  return { description, content: jsonContent(schema) };
}

export const problems: Json = { default: { $ref: "#/components/responses/Problem" } };

const runId = { name: "run", in: "path", required: true, schema: text, description: "the id of a run" };

function query(name: string, schema: Json, description: string): Json {
  return { name, in: "query", schema, description };
}

function header(name: string, description: string): Json {
  return { name, in: "header", schema: text, description };
}

export const callHeaders: readonly Json[] = [
  header("Prefer", "`respond-async`: 202 at once. `wait=N`: 202 when the run has not ended after N seconds."),
  header(
    "Idempotency-Key",
    "A repetition with the same key gets the run of the first call. With other arguments it is 422.",
  ),
];

const size = { type: "integer", minimum: 1, maximum: 65_535 };

/** Commands that read standard input have these too. */
export const inputQuery: readonly Json[] = [
  query(
    "stdin",
    { const: "open" },
    "standard input stays open: `POST /runs/ID/stdin` brings it. It needs `Prefer`, or `Accept: text/event-stream`",
  ),
  query("columns", size, "with `stdin=open`: the width of the terminal, for a command that runs on one"),
  query("rows", size, "with `columns`: its height"),
  query("term", text, "with `columns`: its kind, such as xterm-256color"),
];

const offset = query(
  "offset",
  { type: "integer", minimum: 0 },
  "where in the output to begin, in bytes of both channels",
);

export const fixedPaths: Json = {
  "/commands": {
    get: {
      operationId: "listCommands",
      summary: "The commands that this token may run",
      tags: ["commands"],
      responses: { 200: answer("the commands", ref("Commands")), ...problems },
    },
  },
  "/commands/{command}": {
    get: {
      operationId: "getCommand",
      summary: "One command",
      tags: ["commands"],
      parameters: [{ name: "command", in: "path", required: true, schema: text }],
      responses: { 200: answer("the command", ref("Command")), ...problems },
    },
  },
  "/runs": {
    get: {
      operationId: "listRuns",
      summary: "The runs of the caller, or all that they may see, newest first",
      tags: ["runs"],
      parameters: [
        query("command", text, "only runs of this command"),
        query("status", { enum: runStatuses }, "only runs with this status"),
        query("owner", text, "only runs of this owner"),
        query(
          "since",
          text,
          "only runs that started then or later: 2026-11-28T12:00:00Z, or Unix time in milliseconds",
        ),
        query("all", { type: "boolean" }, "runs of every owner whose runs this token may see"),
        query("limit", { type: "integer", minimum: 1 }, "the largest number of runs"),
        query("cursor", text, "`next` of the page before"),
      ],
      responses: { 200: answer("a page of runs", ref("RunsPage")), ...problems },
    },
  },
  "/runs/{run}": {
    get: {
      operationId: "getRun",
      summary: "One run, with its value or its error when it has ended",
      tags: ["runs"],
      parameters: [runId, header("Prefer", "`wait=N`: waits up to N seconds for the end of the run")],
      responses: { 200: answer("the run", ref("Run")), ...problems },
    },
    delete: {
      operationId: "cancelRun",
      summary: "Asks a run to stop",
      tags: ["runs"],
      parameters: [runId],
      responses: { 204: { description: "the run was asked to stop" }, ...problems },
    },
  },
  "/runs/{run}/events": {
    get: {
      operationId: "followRun",
      summary: "A run live, as server-sent events",
      description:
        "Events are `started`, `queued`, `progress`, `output` (`channel`, `offset`, and `text` or `base64`) and `end` (the outcome). The id of an event is the offset behind it: `Last-Event-ID` resumes at this byte.",
      tags: ["runs"],
      parameters: [runId, offset, header("Last-Event-ID", "the id of the last event that was read")],
      responses: {
        200: { description: "events", content: { "text/event-stream": { schema: text } } },
        ...problems,
      },
    },
  },
  "/runs/{run}/output": {
    get: {
      operationId: "readOutput",
      summary: "The bytes that a run has printed",
      tags: ["runs"],
      parameters: [
        runId,
        query("channel", { enum: ["stdout", "stderr"] }, "only this channel; without it, both as they came"),
        query("follow", { type: "boolean" }, "goes on until the run ends"),
        offset,
        header("Range", "`bytes=FIRST-LAST`, of both channels together"),
      ],
      responses: {
        200: { description: "the output", content: { "application/octet-stream": {} } },
        206: { description: "a part of the output", content: { "application/octet-stream": {} } },
        ...problems,
      },
    },
  },
  "/runs/{run}/stdin": {
    post: {
      operationId: "typeToRun",
      summary: "Adds to the standard input of a run that was called with `stdin=open`",
      tags: ["runs"],
      parameters: [
        runId,
        query(
          "writer",
          { type: "string", pattern: "^[A-Za-z0-9_-]{1,64}$" },
          "who types, by a name of their own choice; where several type at once, each counts its own bytes",
        ),
        query(
          "offset",
          { type: "integer", minimum: 0 },
          "where the body begins, in bytes of the writer, or of all input; what was taken before is not taken again",
        ),
        query("end", { type: "boolean" }, "nothing comes behind the body"),
      ],
      requestBody: { content: { "application/octet-stream": {} } },
      responses: {
        200: answer(
          "the bytes were taken",
          objectOf(
            { offset: { type: "integer", minimum: 0, description: "how many were taken of the writer, or in all" } },
            ["offset"],
          ),
        ),
        ...problems,
      },
    },
  },
  "/runs/{run}/terminal": {
    put: {
      operationId: "resizeTerminal",
      summary: "Tells the size of the caller's terminal to a run that was called with `stdin=open`",
      tags: ["runs"],
      parameters: [runId],
      requestBody: {
        required: true,
        content: jsonContent(objectOf({ columns: size, rows: size }, ["columns", "rows"])),
      },
      responses: { 204: { description: "the command is told" }, ...problems },
    },
  },
  "/schedules": {
    get: {
      operationId: "listSchedules",
      summary: "What the server runs by itself, with the next times",
      tags: ["runs"],
      responses: { 200: answer("the schedules", ref("Schedules")), ...problems },
    },
  },
  "/session": {
    get: {
      operationId: "getSession",
      summary: "Who the caller is, what they may, and why",
      tags: ["session"],
      responses: { 200: answer("the caller", ref("Session")), ...problems },
    },
    post: {
      operationId: "signIn",
      summary: "Signs a browser in: the answer sets a cookie that scripts cannot read",
      tags: ["session"],
      security: [],
      requestBody: {
        required: true,
        content: jsonContent({ type: "object", properties: { token: text }, required: ["token"] }),
      },
      responses: { 200: answer("the caller", ref("Session")), ...problems },
    },
    delete: {
      operationId: "signOut",
      summary: "Signs a browser out",
      tags: ["session"],
      security: [],
      responses: { 204: { description: "the session is over" }, ...problems },
    },
  },
  "/livez": probe("getLiveness", "Whether the server lives"),
  "/readyz": probe("getReadiness", "Whether the server takes calls"),
  "/metrics": {
    get: {
      operationId: "getMetrics",
      summary: "Metrics as text for Prometheus, with the scope `metrics` or `runs:all`",
      tags: ["operations"],
      responses: { 200: { description: "the metrics", content: { "text/plain": { schema: text } } }, ...problems },
    },
  },
};

function probe(operationId: string, summary: string): Json {
  const said = (description: string): Json => ({ description, content: { "text/plain": { schema: text } } });
  return {
    get: {
      operationId,
      summary,
      tags: ["operations"],
      security: [],
      responses: { 200: said("it does"), "5XX": said("it does not, and why") },
    },
  };
}
