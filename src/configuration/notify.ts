/** Reads `notify:` of iscep.yaml: who is told when runs end. */
import { compileNotices, noticeStatuses, type NotifyDefinition } from "../commands/notify.js";
import { isIscepError } from "../errors.js";
import type { SecretPlace } from "../files/secret-place.js";
import type { OutcomeStatus } from "../model/outcome.js";
import { mapOf, type KeyTable, type ReadContext, type ValueKind } from "./keys.js";
import { environment, programAndTemplate } from "./program.js";
import { choice, filePath, listOf, text } from "./values.js";
import type { YamlValue } from "./yaml-source.js";

const statuses: ValueKind<"any" | readonly OutcomeStatus[]> = {
  words: "`any`, or list of ways to end",
  schema: { anyOf: [{ const: "any" }, { type: "array", items: { enum: noticeStatuses }, minItems: 1 }] },
  read: (value, context) =>
    value.scalar === "any" ? "any" : listOf("list of ways to end", choice(noticeStatuses)).read(value, context),
};

const variable = mapOf<{ readonly env: string }>("map", {
  env: { field: "env", kind: text, says: "The name of a variable in the environment of the server.", required: "NAME" },
});

/** Where a secret is, for notices and for webhooks. */
export const secretPlace: ValueKind<SecretPlace> = {
  words: "path, or `{ env: NAME }`",
  schema: { anyOf: [filePath.schema, variable.schema] },
  read(value, context) {
    if (!value.isMap) return filePath.read(value, context);
    const { env } = variable.read(value, context);
    // When it is missing, the problems already say so, and nothing is made of this.
    return { env: env ?? "" };
  },
};

const secret: ValueKind<SecretPlace | false> = {
  words: `${secretPlace.words}, or \`false\``,
  schema: { anyOf: [{ const: false }, secretPlace.schema] },
  read: (value, context) => (value.scalar === false ? false : secretPlace.read(value, context)),
};

export const notifyKeys = {
  on: {
    field: "on",
    kind: statuses,
    says: "How a run must have ended: `any`, or `failed`, `killed`, `timeout`, `lost`, `cancelled`, `completed`, `rejected` (only runs of a schedule).",
    default: "`[failed, killed, timeout, lost, rejected]`",
  },
  run: {
    field: "run",
    kind: programAndTemplate,
    says: 'The program that is started, and its arguments: literals, `"{command}"`, `"{run}"` and `"{status}"`. It gets all facts as JSON on standard input.',
  },
  folder: {
    field: "folder",
    kind: filePath,
    says: "The folder that the program works in.",
    default: "the folder of the file",
  },
  environment: { field: "environment", kind: environment, says: "Variables for the program, as for a command." },
  user: {
    field: "user",
    kind: text,
    says: "The name of the user that the program runs as. The server must be root.",
    default: "the server's own",
  },
  url: {
    field: "url",
    kind: text,
    says: "The address that gets the facts by POST, signed as Standard Webhooks says.",
  },
  secret: {
    field: "secret",
    kind: secret,
    says: "With `url`: the file of the key that signs, or `false` for requests without a signature.",
  },
} satisfies KeyTable<NotifyDefinition>;

const one = mapOf<NotifyDefinition>("map", notifyKeys);

/** `notify:` of the file. */
export const notices: ValueKind<readonly NotifyDefinition[]> = {
  words: "map, or list of maps",
  schema: { anyOf: [one.schema, { type: "array", items: one.schema }] },
  read: (value, context) => (value.isList ? value.list() : [value]).flatMap((each) => readOne(each, context) ?? []),
};

/** `notify:` of a command. */
export const notify: ValueKind<readonly NotifyDefinition[] | false> = {
  words: "map, list of maps, or `false`",
  schema: { anyOf: [{ const: false }, one.schema, { type: "array", items: one.schema }] },
  read: (value, context) => (value.scalar === false ? false : notices.read(value, context)),
};

function readOne(value: YamlValue, context: ReadContext): NotifyDefinition | undefined {
  const before = context.problems.count;
  const read = one.read(value, context);
  if (context.problems.count > before) return undefined;
  const definition = read.run === undefined ? read : { folder: context.folder, ...read };
  try {
    compileNotices("this file", definition);
    return definition;
  } catch (error) {
    if (!isIscepError(error)) throw error;
    throw value.error(error.message.replace(/^notify of this file: (?:it )?/, "`notify` "), error);
  }
}
