/** Reads `hooks:` of `http:` in iscep.yaml. */
import { compileHook, hookFault, type HookArgument, type HookDefinition } from "../hooks/definition.js";
import { hookKinds } from "../hooks/hook.js";
import { isIscepError } from "../errors.js";
import type { SecretPlace } from "../files/secret-place.js";
import type { Command } from "../model/command.js";
import { inYamlWords } from "./arguments.js";
import { mapOf, type KeyTable, type ReadContext, type ValueKind } from "./keys.js";
import { secretPlace } from "./notify.js";
import { choice, listOf, text } from "./values.js";
import type { YamlEntry, YamlValue } from "./yaml-source.js";

const secrets: ValueKind<SecretPlace | readonly SecretPlace[]> = {
  words: `${secretPlace.words}, or a list`,
  schema: { anyOf: [secretPlace.schema, { type: "array", items: secretPlace.schema, minItems: 1 }] },
  read: (value, context) =>
    value.isList ? listOf("list of secrets", secretPlace).read(value, context) : secretPlace.read(value, context),
};

function namedValues<Value>(words: string): ValueKind<Readonly<Record<string, Value>>> {
  return {
    words,
    schema: { type: "object" },
    // `compileHook` checks the values.
    read: (value) =>
      Object.fromEntries(
        [...value.named((name) => `\`${name}\``)].map(([name, entry]) => [name, entry.value.plain as Value]),
      ),
  };
}

export const hookKeys = {
  command: {
    field: "command",
    kind: text,
    says: "The command that a delivery runs.",
    required: "the name of the command that it runs",
  },
  kind: {
    field: "kind",
    kind: choice(hookKinds),
    says: "Who signs: GitHub, a sender of Standard Webhooks, a plain HMAC-SHA256 of the body, or nobody.",
    required: hookKinds.join(", "),
  },
  secret: {
    field: "secret",
    kind: secrets,
    says: "The file of the secret that signs, readable by the server alone; a list while one takes the place of another.",
  },
  signature_header: {
    field: "signatureHeader",
    kind: text,
    says: "With `hmac`: the header of the signature, as hex or base64.",
    default: "`X-Signature-256`",
  },
  id_header: {
    field: "idHeader",
    kind: text,
    says: "The header with the id of a delivery; a delivery that comes again does not run again.",
    default: "`X-GitHub-Delivery`, `webhook-id`, or none",
  },
  args: {
    field: "args",
    kind: namedValues<HookArgument>("map of names and values"),
    says: 'The arguments: fixed values, `{ from: "/json/pointer" }` into the body, or `{ from: Header }`.',
  },
  when: {
    field: "when",
    kind: namedValues<unknown>("map of JSON pointers or headers, and values"),
    says: "Only deliveries that have these values run; a list names several values.",
    default: "all run, except GitHub's `ping`",
  },
} satisfies KeyTable<HookDefinition>;

const one = mapOf<HookDefinition>("map", hookKeys);

export const hooks: ValueKind<Readonly<Record<string, HookDefinition>>> = {
  words: "map of names and hooks",
  schema: { type: "object", additionalProperties: one.schema },
  read: (value, context) =>
    Object.fromEntries(
      [...entriesOf(value)].flatMap(([name, entry]) => {
        const hook = context.problems.attempt(() => readHook(name, entry, context));
        return hook === undefined ? [] : [[name, hook] as const];
      }),
    ),
};

function entriesOf(hooks: YamlValue): Map<string, YamlEntry> {
  return hooks.named((name) => `hook "${name}"`);
}

function readHook(name: string, { key, value }: YamlEntry, context: ReadContext): HookDefinition | undefined {
  const before = context.problems.count;
  const { command, kind, ...others } = one.read(value, context);
  if (command === undefined || kind === undefined || context.problems.count > before) return undefined;
  const definition = { command, kind, ...others };
  try {
    compileHook(name, definition);
    return definition;
  } catch (error) {
    if (!isIscepError(error)) throw error;
    throw key.error(inYamlWords(error.message), error);
  }
}

/** A hook needs its command in the same file or its modules, with the arguments that the hook gives. */
export function checkHooks(
  definitions: Readonly<Record<string, HookDefinition>>,
  http: YamlValue | undefined,
  commands: readonly Command[],
  { problems }: ReadContext,
): void {
  const place = http?.isMap === true ? http.named((key) => `\`${key}\``).get("hooks")?.value : undefined;
  if (place === undefined) return;
  for (const [name, { key }] of entriesOf(place)) {
    const definition = definitions[name];
    const fault = definition === undefined ? undefined : hookFault(compileHook(name, definition), commands);
    if (fault !== undefined) problems.add(key.error(fault));
  }
}
