/**
 * Asks commands of the same server for values of arguments, keeps the values for a short time, checks them, and offers
 * them. The server asks in its own name. So callers who may run a command may have the values of its arguments, and no
 * other callers.
 */
import type { ArgumentsCheck, CommandDescription, JsonSchema } from "../model/command.js";
import { IscepError } from "../errors.js";
import type { Identity } from "../model/identity.js";
import type { Limits } from "../limits/limits.js";
import { isJsonObject } from "../wire/json.js";
import type { RunOutcome } from "../model/outcome.js";
import type { Run } from "./run/run.js";
import { isScriptResult } from "../model/script-result.js";

type ChoicesLimits = Pick<Limits, "choicesCacheMs" | "maxChoices" | "maxOfferedChoicesBytes">;

/** For each argument, the command that gives its values. */
type ChoicesFrom = ReadonlyMap<string, string>;

interface Asked {
  readonly values: Promise<ReadonlySet<string>>;
  /** By performance.now(), counted from when the values have come. */
  expiresAtMs: number;
}

export class Choices {
  readonly #start: (identity: Identity, command: string) => Run;
  readonly #limits: ChoicesLimits;
  readonly #asked = new Map<string, Asked>();

  /** @param start runs a command of this server, without arguments */
  constructor(start: (identity: Identity, command: string) => Run, limits: ChoicesLimits) {
    this.#start = start;
    this.#limits = limits;
  }

  /** @throws IscepError `failed` when the command that gives the values failed */
  async check(choicesFrom: ChoicesFrom, pending: ArgumentsCheck | Promise<ArgumentsCheck>): Promise<ArgumentsCheck> {
    const check = await pending;
    if (!check.ok || !isRecord(check.args)) return check;
    for (const [name, command] of choicesFrom) {
      const given = Object.hasOwn(check.args, name) ? check.args[name] : undefined;
      if (given === undefined) continue;
      const values = await this.#valuesFor(name, command);
      const wrong = (Array.isArray(given) ? given : [given]).some((value: unknown) => !values.has(String(value)));
      if (wrong)
        return {
          ok: false,
          message: `argument "${name}" must be one of the values that \`iscep ls\` shows for it now`,
        };
    }
    return check;
  }

  async #valuesFor(argument: string, command: string): Promise<ReadonlySet<string>> {
    try {
      return await this.#values(command);
    } catch (cause) {
      throw new IscepError(
        "failed",
        `the values of argument "${argument}" could not be found out; the server's error.log has the reason`,
        {
          cause,
          details: { argument },
        },
      );
    }
  }

  /** The schema with the values; undefined when no argument has such values. Never rejects. */
  describe(
    descriptions: readonly CommandDescription[],
    choicesOf: (command: string) => ChoicesFrom | undefined,
  ): Promise<CommandDescription[]> | undefined {
    if (descriptions.every(({ name }) => choicesOf(name) === undefined)) return undefined;
    const offered = async (description: CommandDescription): Promise<CommandDescription> => {
      const choicesFrom = choicesOf(description.name);
      if (choicesFrom === undefined) return description;
      return { ...description, args: await this.#offer(description.args, choicesFrom) };
    };
    return Promise.all(descriptions.map(offered));
  }

  /**
   * The schema with the present values as `enum`, or, if there is no room for all, with some of them as `examples`.
   * Values that cannot be got are left out, and a caller learns at the call what is wrong.
   */
  async #offer(argsSchema: JsonSchema, choicesFrom: ChoicesFrom): Promise<JsonSchema> {
    const properties: Record<string, unknown> = { ...(argsSchema["properties"] as object) };
    let room = this.#limits.maxOfferedChoicesBytes;
    for (const [name, command] of choicesFrom) {
      const property = properties[name];
      const values = await this.#values(command).catch(() => undefined);
      if (values === undefined || !isJsonObject(property)) continue;
      const { items } = property;
      const offered = offer(values, room);
      room -= offered.bytes;
      properties[name] = isJsonObject(items)
        ? { ...property, items: { ...items, ...offered.schema } }
        : { ...property, ...offered.schema };
    }
    return { ...argsSchema, properties };
  }

  /** Many callers at once share one question. A failure is not kept, because its cause may be over. */
  #values(command: string): Promise<ReadonlySet<string>> {
    const known = this.#asked.get(command);
    if (known !== undefined && performance.now() < known.expiresAtMs) return known.values;
    const run = this.#start(asker(command), command);
    const values = new Promise<RunOutcome>((resolve) => run.whenEnded(resolve)).then((outcome) =>
      this.#valuesOf(command, outcome),
    );
    const asked: Asked = { values, expiresAtMs: Number.POSITIVE_INFINITY };
    this.#asked.set(command, asked);
    values.then(
      () => (asked.expiresAtMs = performance.now() + this.#limits.choicesCacheMs),
      () => this.#asked.delete(command),
    );
    return values;
  }

  #valuesOf(command: string, outcome: RunOutcome): ReadonlySet<string> {
    if (outcome.status !== "completed") throw outcome.error;
    const values = listOf(outcome.value?.parse());
    const { maxChoices } = this.#limits;
    if (values === undefined || values.length > maxChoices) {
      throw new IscepError(
        "failed",
        `command "${command}" gives the values of an argument: it must return a list of texts, or print one a line or a ` +
          `JSON list of them, ${maxChoices} at most`,
      );
    }
    return new Set(values);
  }
}

/** All values, or as many as there is room for. */
function offer(values: ReadonlySet<string>, room: number): { readonly schema: JsonSchema; readonly bytes: number } {
  const fitting: string[] = [];
  let bytes = 0;
  for (const value of values) {
    const next = Buffer.byteLength(JSON.stringify(value)) + 1;
    if (bytes + next > room) return { schema: fitting.length === 0 ? {} : { examples: fitting }, bytes };
    bytes += next;
    fitting.push(value);
  }
  // An empty enum is not valid. Then nothing fits, and a call says so.
  return { schema: fitting.length === 0 ? {} : { enum: fitting }, bytes };
}

/** An identity that may run only this one command. */
function asker(command: string): Identity {
  return {
    owner: "choices",
    tokenId: null,
    expiresAtMs: Number.POSITIVE_INFINITY,
    mayDiscover: false,
    mayRun: (name) => name === command,
    argumentRules: () => undefined,
    maySeeRunsOf: () => false,
    mayReadMetrics: false,
  };
}

function listOf(value: unknown): string[] | undefined {
  if (!isScriptResult(value)) return isTexts(value) ? value : undefined;
  // A part of the list would refuse correct values.
  if (value.truncated) return undefined;
  return jsonList(value.stdout) ?? value.stdout.split(/\r?\n/).filter((line) => line !== "");
}

/** undefined for text that only begins like a list, such as the name of a file. */
function jsonList(text: string): string[] | undefined {
  if (!/^\s*\[/.test(text)) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return isTexts(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
