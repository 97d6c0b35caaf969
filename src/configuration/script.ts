/** Reads `commands:` of iscep.yaml: scripts, in the words of `defineScript`. */
import { isIscepError } from "../errors.js";
import { limitTable } from "../limits/limits.js";
import { isJsonObject } from "../wire/json.js";
import { argumentDeclarations, inYamlWords } from "./arguments.js";
import type { JsonSchema, ScriptCommand } from "../model/command.js";
import { concurrency } from "./concurrency.js";
import { mapOf, mapSchema, readKeys, type KeyTable, type ReadContext, type ValueKind } from "./keys.js";
import { bytes, choice, duration, filePath, flag, listOf, text, wholeNumber, wholeSeconds } from "./values.js";
import type { ArgumentDeclarations } from "../commands/arguments/declaration.js";
import { defineScript, type ScriptDefinition } from "../commands/define-script.js";
import { hidingDoors } from "../model/command-flags.js";
import { commandNameSchema } from "../model/command-name.js";
import {
  isStandardInputPlace,
  standardInputExpression,
  standardInputForms,
  type StandardInputPlace,
} from "../commands/script/invocation.js";
import { notify } from "./notify.js";
import { environment, programAndTemplate, variablesOf } from "./program.js";
import { schedule } from "./schedule.js";
import {
  processLimitBounds,
  umaskPattern,
  waysWhenOutputIsFull,
  type ProcessLimits,
} from "../commands/script/process.js";
import { outputForms } from "../commands/script/results.js";
import { wordsForYamlCommands } from "../text/other-words.js";
import type { YamlEntry, YamlValue } from "./yaml-source.js";

type ScriptFields = Omit<ScriptDefinition<string, ArgumentDeclarations>, "name">;

const standardInput: ValueKind<StandardInputPlace | boolean> = {
  words: '`true`, `false`, `args`, or `"{argument}"`',
  schema: { anyOf: [flag.schema, { type: "string", pattern: standardInputExpression.source }] },
  read(value) {
    if (typeof value.scalar === "boolean") return value.scalar;
    const place = value.written();
    if (!isStandardInputPlace(place)) throw value.error(standardInputForms);
    return place;
  },
};

const argumentVariables: ValueKind<"all" | readonly string[]> = {
  words: "`all`, or list of arguments",
  schema: { anyOf: [{ const: "all" }, { type: "array", items: { type: "string" }, minItems: 1 }] },
  read(value) {
    if (value.scalar === "all") return "all";
    if (!value.isList) throw value.error(`${value.what} must be all, or a list of names of arguments`);
    return value.list().map((name) => name.text());
  },
};

const jsonSchema: ValueKind<JsonSchema> = {
  words: "JSON Schema",
  schema: { type: "object" },
  read(value) {
    const { plain } = value;
    if (!value.isMap || !isJsonObject(plain))
      throw value.error(`${value.what} must be a JSON Schema, such as { type: object }`);
    return plain;
  },
};

const confirm: ValueKind<boolean | string> = {
  words: "`true`, or text",
  schema: { type: ["boolean", "string"], minLength: 1 },
  read: (value) => (typeof value.scalar === "boolean" ? value.scalar : value.text()),
};

const umask: ValueKind<string> = {
  words: 'octal text, such as `"022"`',
  schema: { type: "string", pattern: umaskPattern },
  // Without quotes, 022 would be a number, which YAML 1.1 and 1.2 read differently.
  read: (value) => value.text(),
};

const processLimitKeys: KeyTable<ProcessLimits> = {
  cpu: { field: "cpuSeconds", kind: wholeSeconds, says: "Time of computing that each process may use." },
  memory: {
    field: "memoryBytes",
    kind: bytes(processLimitBounds.memoryBytes.min, processLimitBounds.memoryBytes.max),
    says: "Address space that each process may use.",
  },
  files: {
    field: "files",
    kind: wholeNumber(processLimitBounds.files.min, processLimitBounds.files.max),
    says: "Files that each process may have open at once.",
  },
  processes: {
    field: "processes",
    kind: wholeNumber(processLimitBounds.processes.min, processLimitBounds.processes.max),
    says: "Processes and threads of a run at once, where the server may make control groups; else those of the user that it runs as, all together.",
  },
};

/** The keys of a command. Each is a field of the definition for `defineScript`. */
export const scriptKeys = {
  description: { field: "description", kind: text, says: "What `iscep ls` shows to callers." },
  run: {
    field: "run",
    kind: programAndTemplate,
    says: 'The program and its arguments: literals, `"{argument}"`, and `"--option={argument}"`. There is no shell.',
    required: 'the program and its arguments, such as run: [./backup.sh, "{world}"]',
  },
  args: { field: "args", kind: argumentDeclarations, says: "The arguments that callers give, by name." },
  stdin: {
    field: "stdin",
    kind: standardInput,
    says: 'What the program reads from standard input: `true` for what the caller sends, `args` for all arguments as one JSON object, `"{argument}"` for the value of one. With `false`, a call that sends some is refused.',
    default: "nothing from `iscep call`; what a client of the library sends",
  },
  argument_variables: {
    field: "argumentVariables",
    kind: argumentVariables,
    says: "Arguments that the program gets as variables: `world` becomes `ISCEP_ARG_WORLD`, and a list becomes JSON. `all` means all except secrets.",
  },
  log_args: {
    field: "logArgs",
    kind: flag,
    says: "Whether commands.log and `iscep runs show` tell the values of arguments, except secrets. `iscep call --again` needs it.",
    default: "`log_args` of the file",
  },
  timeout: {
    field: "timeoutMs",
    kind: duration(limitTable.runTimeoutMs.max, "24d"),
    says: "How long a run may take, before it is ended.",
    default: "the limit `run_timeout_ms`",
  },
  concurrency: {
    field: "concurrency",
    kind: concurrency,
    says: "How many runs go on at once, and what happens to one more call; see below.",
    default: "as many as the server has places for",
  },
  schedule: {
    field: "schedule",
    kind: schedule,
    says: "When the server runs it without a caller, as owner `schedule`; see below.",
  },
  confirm: {
    field: "confirm",
    kind: confirm,
    says: "`iscep call`, the console and MCP ask a person before the command runs; a text says what happens. A call from a program asks nobody.",
    default: "`false`",
  },
  read_only: {
    field: "readOnly",
    kind: flag,
    says: "The command changes nothing, so a model may run it without asking.",
    default: "`false`",
  },
  idempotent: {
    field: "idempotent",
    kind: flag,
    says: "Running it twice with the same arguments changes no more than running it once.",
    default: "`false`",
  },
  hidden_from: {
    field: "hiddenFrom",
    kind: listOf(`list of ${hidingDoors.map((door) => `\`${door}\``).join(", ")}`, choice(hidingDoors)),
    says: "Doors that do not offer the command. This takes no right away; scopes of tokens do.",
  },
  notify: {
    field: "notify",
    kind: notify,
    says: "Who is told when its runs end, instead of those of the file; `false`: nobody. See below.",
    default: "`notify` of the file",
  },
  folder: {
    field: "folder",
    kind: filePath,
    says: "The folder that the program works in.",
    default: "the folder of the file",
  },
  environment: {
    field: "environment",
    kind: environment,
    says: "Variables in addition to PATH, LANG, HOME, TZ and PYTHONUNBUFFERED=1. The program gets nothing else of the server's environment.",
  },
  user: {
    field: "user",
    kind: text,
    says: "The name of the user that the program runs as. The server must be root.",
    default: "the server's own",
  },
  limits: {
    field: "limits",
    kind: mapOf<ProcessLimits>("`{ cpu: DURATION, memory: SIZE, files: NUMBER, processes: NUMBER }`", processLimitKeys),
    says: "What the script may use: each process time of computing, address space and open files (by `prlimit`); a run processes.",
  },
  terminal: {
    field: "terminal",
    kind: flag,
    says: "Whether it runs on a terminal, as under `docker exec -it`: for programs that people type into. Linux with util-linux only.",
    default: "`false`",
  },
  umask: {
    field: "umask",
    kind: umask,
    says: 'The mode bits that its new files do not get, in quotes: with `"022"`, everybody can read them, with `"002"`, the group can write them too.',
    default: '`"077"`: only its user can read and write them',
  },
  max_output: {
    field: "maxOutputBytes",
    kind: bytes(0, limitTable.maxScriptOutputBytes.max),
    says: "How much it may print, on standard output and error together.",
    default: "the limit `max_script_output_bytes`",
  },
  when_output_is_full: {
    field: "whenOutputIsFull",
    kind: choice(waysWhenOutputIsFull),
    says: "What happens beyond `max_output`. `fail` and `truncate` drop the rest; a script that then ends well has `failed` with code `too_large`, or completed. `kill` ends the script.",
    default: "`fail`",
  },
  mask: {
    field: "mask",
    kind: flag,
    says: "`false` for output that is data, such as an archive: secret arguments in it stay as they are.",
    default: "`true`: they become `***`",
  },
  output: {
    field: "output",
    kind: choice(outputForms),
    says: "What the value of a call is: with `json` the parsed standard output, with `lines` a list of its lines, with `none` nothing.",
    default: "`text`: exit code, standard output and error",
  },
  result: {
    field: "result",
    kind: jsonSchema,
    says: "With `output: json`, a JSON Schema that the value must fit.",
  },
  success_codes: {
    field: "successCodes",
    kind: listOf("list of exit codes", wholeNumber(0, 255)),
    says: "The exit codes with which a run counts as completed.",
    default: "`[0]`",
  },
} satisfies KeyTable<ScriptFields>;

const laterKeys = ["thread", "threads"];

export const scripts: ValueKind<readonly ScriptCommand[]> = {
  words: "map of names and commands",
  schema: { type: "object", propertyNames: commandNameSchema, additionalProperties: mapSchema(scriptKeys) },
  read(commands, context) {
    const named = [...commands.named((name) => `command "${name}"`)];
    return named.flatMap(([name, entry]) => context.problems.attempt(() => readScript(name, entry, context)) ?? []);
  },
};

function readScript(name: string, { key, value }: YamlEntry, context: ReadContext): ScriptCommand | undefined {
  const { problems, folder } = context;
  const before = problems.count;
  const fields = value.fields(Object.keys(scriptKeys), problems, {
    later: laterKeys,
    otherWords: wordsForYamlCommands,
  });
  const definition = readKeys<ScriptFields>(fields, scriptKeys, context, key, value.what);
  const { run } = definition;
  // Otherwise the definition, which lacks this key, would report the fault again in other words.
  if (run === undefined || problems.count > before) return undefined;
  try {
    const script = defineScript({ folder, ...definition, name, run });
    context.texts.set(name, value.source);
    return script;
  } catch (error) {
    if (!isIscepError(error)) throw error;
    throw placeOf(error.details, fields, key, error.code === "configuration").error(inYamlWords(error.message), error);
  }
}

/** The details of an error of `defineScript` say which field it is about. */
function placeOf(
  { element, argument, variable, field }: Readonly<Record<string, unknown>>,
  fields: ReadonlyMap<string, YamlValue>,
  key: YamlValue,
  aboutProgram: boolean,
): YamlValue {
  const elements = fields.get("run")?.list() ?? [];
  const args = fields.get("args")?.named((name) => `argument "${name}"`);
  const environmentValue = fields.get("environment");
  const [keyOfField = ""] = Object.entries(scriptKeys).find(([, known]) => known.field === field) ?? [];
  return (
    (typeof element === "number" ? elements[element + 1] : undefined) ??
    (typeof argument === "string" ? args?.get(argument)?.key : undefined) ??
    (typeof variable === "string" && environmentValue !== undefined
      ? variablesOf(environmentValue).get(variable)?.key
      : undefined) ??
    fields.get(keyOfField) ??
    (aboutProgram ? elements[0] : key) ??
    key
  );
}
