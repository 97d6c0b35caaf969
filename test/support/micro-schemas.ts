/**
 * What `nats micro ping|info|stats` demands of an answer. The facts are those of the JSON Schemas that the program checks
 * with: https://github.com/nats-io/jsm.go, schemas/micro/v1/{ping,info,stats}_response.json (Apache License 2.0), read in
 * November 2026. They are written here in words of our own, and are stricter in one thing: unknown members are refused.
 */
import { Ajv } from "ajv";
import addFormatsModule from "ajv-formats";

const name = { type: "string", pattern: "^[a-zA-Z0-9_-]+$", minLength: 1 };
const text = { type: "string", minLength: 1 };
/** Semantic versioning 2.0.0, with the expression that its site suggests. */
const version = {
  type: "string",
  minLength: 5,
  pattern:
    String.raw`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
    String.raw`(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?` +
    String.raw`(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$`,
};
const metadata = { type: ["object", "null"], additionalProperties: { type: "string" } };
const count = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };

function answer(verb: string, more: object, alsoRequired: readonly string[]): object {
  return {
    type: "object",
    required: ["type", "name", "id", "version", ...alsoRequired],
    additionalProperties: false,
    properties: { type: { const: `io.nats.micro.v1.${verb}_response` }, name, id: text, version, metadata, ...more },
  };
}

const info = answer(
  "info",
  {
    description: { type: "string" },
    endpoints: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "subject", "queue_group"],
        additionalProperties: false,
        properties: { name, subject: text, queue_group: text, metadata },
      },
    },
  },
  ["description", "endpoints"],
);

const stats = answer(
  "stats",
  {
    started: { type: "string", format: "date-time" },
    endpoints: {
      type: "array",
      items: {
        type: "object",
        required: [
          "name",
          "subject",
          "num_requests",
          "num_errors",
          "last_error",
          "processing_time",
          "average_processing_time",
        ],
        additionalProperties: false,
        properties: {
          name,
          subject: text,
          queue_group: text,
          num_requests: count,
          num_errors: count,
          last_error: { type: "string" },
          processing_time: count,
          average_processing_time: count,
          data: { type: "object" },
        },
      },
    },
  },
  ["started", "endpoints"],
);

const ajv = new Ajv({ strict: true, allowUnionTypes: true });
addFormatsModule.default(ajv);

export const microValidators = {
  PING: ajv.compile(answer("ping", {}, [])),
  INFO: ajv.compile(info),
  STATS: ajv.compile(stats),
} as const;
