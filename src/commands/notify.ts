/** Checks who is to be told when runs end, and makes it ready for use. */
import { createHash } from "node:crypto";
import path from "node:path";
import { IscepError } from "../errors.js";
import { readSecret, type SecretPlace } from "../files/secret-place.js";
import { webhookKey } from "../identity/standard-webhooks.js";
import type { Notice, NoticeAddress, ScriptCommand, ScriptInvocation } from "../model/command.js";
import { isOutcomeStatus, outcomeTable, type OutcomeStatus } from "../model/outcome.js";
import { refuseUnknownOption } from "../text/unknown-option.js";
import type { ArgumentDeclarations } from "./arguments/declaration.js";
import { checkNoCode } from "./script/code-guard.js";
import { scriptEnvironment } from "./script/environment.js";
import { processSettings } from "./script/process.js";
import { resolveProgram } from "./script/program.js";
import { compileTemplate, unknownSlots, type ArgvTemplate } from "./script/template.js";

export interface NotifyDefinition {
  /**
   * How a run must have ended: `failed`, `killed`, `timeout`, `lost`, `cancelled`, `completed`, or `rejected` (only runs
   * of a schedule), or `any` for all of these. Default: failed, killed, timeout, lost and rejected.
   */
  readonly on?: "any" | readonly OutcomeStatus[];
  /**
   * The program that is started, and its arguments: literals, `"{command}"`, `"{run}"` and `"{status}"`. It gets all
   * facts as JSON on standard input, and as variables ISCEP_NOTICE_…. Default: none; give `run` or `url`.
   */
  readonly run?: readonly [program: string, ...template: string[]];
  /** The folder that the program works in. Default: the folder of this process. */
  readonly folder?: string;
  /** Variables in addition to those that each script gets. Default: none. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The name of the user that the program runs as. The server must be root. Default: the server's own user. */
  readonly user?: string;
  /** The address that gets the facts by POST, signed as https://www.standardwebhooks.com says. Default: none. */
  readonly url?: string;
  /**
   * The key of the signature: the path of a file, or `{ env: NAME }`. false: requests are not signed. Default: none, so
   * that an address needs one of these.
   */
  readonly secret?: SecretPlace | false;
}

/** Several, or false for none, not even those of the server. */
export type Notify = NotifyDefinition | readonly NotifyDefinition[] | false;

const names = {
  on: true,
  run: true,
  folder: true,
  environment: true,
  user: true,
  url: true,
  secret: true,
} satisfies Record<keyof NotifyDefinition, true>;

const usualStatuses: readonly OutcomeStatus[] = ["failed", "killed", "timeout", "lost", "rejected"];
export const noticeStatuses = Object.keys(outcomeTable) as OutcomeStatus[];

/** What a template may name. Owners and messages come from outside, and may look like options. */
const templateFacts: ArgumentDeclarations = {
  command: { type: "string" },
  run: { type: "string" },
  status: { type: "string" },
};

/** A notice that prints without end must not cost memory. */
const maxOutputBytes = 64 * 1024;

/** The fields that a command gets. Without `notify`: none. @throws IscepError as `compileNotices` */
export function notifyMember(name: string, notify: Notify | undefined): { notify?: readonly Notice[] } {
  return notify === undefined ? {} : { notify: compileNotices(`command "${name}"`, notify) };
}

/**
 * @param whose whose notices they are, for messages
 * @throws IscepError `usage` or `configuration`, with `field: "notify"` in `details`
 */
export function compileNotices(whose: string, notify: Notify): readonly Notice[] {
  if (notify === false) return [];
  const all: readonly unknown[] = Array.isArray(notify) ? notify : [notify];
  return all.map((definition) => {
    try {
      if (!isRecord(definition)) throw new IscepError("usage", "it must be an object with `run` or `url`");
      return compileNotice(whose, definition);
    } catch (error) {
      if (!(error instanceof IscepError)) throw error;
      throw new IscepError(error.code, `notify of ${whose}: ${error.message}`, {
        cause: error,
        details: { field: "notify" },
      });
    }
  });
}

function isRecord(definition: unknown): definition is NotifyDefinition {
  return typeof definition === "object" && definition !== null;
}

function compileNotice(whose: string, definition: NotifyDefinition): Notice {
  refuseUnknownOption("it", definition, names);
  const { run, url } = definition;
  if ((run === undefined) === (url === undefined)) {
    throw new IscepError("usage", "give either `run`, for a program of your own, or `url`, for an address");
  }
  const target = url === undefined ? scriptOf(whose, definition) : addressOf(url, definition);
  return Object.freeze({
    statuses: statusesOf(definition.on),
    name: target.kind === "http" ? new URL(target.url).origin : target.program,
    key: createHash("sha256")
      .update(JSON.stringify([run, url]))
      .digest("base64url"),
    target,
  });
}

function statusesOf(on: unknown): ReadonlySet<string> {
  if (on === undefined) return new Set(usualStatuses);
  if (on === "any") return new Set(noticeStatuses);
  const statuses: readonly unknown[] = Array.isArray(on) ? on : [];
  if (statuses.length > 0 && statuses.every(isOutcomeStatus)) return new Set(statuses);
  throw new IscepError("usage", `\`on\` must be any, or a list of ${noticeStatuses.join(", ")}`);
}

function scriptOf(whose: string, definition: NotifyDefinition): ScriptCommand {
  if (definition.secret !== undefined) throw new IscepError("usage", "`secret` signs requests, and belongs to `url`");
  const elements: readonly unknown[] = Array.isArray(definition.run) ? definition.run : [];
  const [given, ...template] = elements;
  if (typeof given !== "string" || !template.every((element) => typeof element === "string"))
    throw new IscepError("configuration", "`run` must be a list of texts: the program, then its arguments");
  const folder = path.resolve(definition.folder ?? process.cwd());
  checkNoCode(given, template, templateFacts);
  const argv = compileTemplate(template, templateFacts);
  const [other] = unknownSlots(template, templateFacts);
  if (other !== undefined) {
    const place = "read other facts from standard input, or from variables such as ISCEP_NOTICE_OWNER";
    throw new IscepError("usage", `its arguments can be {command}, {run} and {status}, and not {${other}}; ${place}`);
  }
  const { user } = definition;
  const { userEnvironment, ...settings } = processSettings({
    ...(user === undefined ? {} : { user }),
    maxOutputBytes,
    whenOutputIsFull: "truncate",
  });
  const environment = scriptEnvironment({ ...userEnvironment, ...definition.environment });
  return Object.freeze({
    kind: "script" as const,
    name: `notify of ${whose}`,
    description: "",
    argsSchema: {},
    checkArguments: (args: unknown) => ({ ok: true as const, args }),
    program: resolveProgram(given, folder),
    invocation: (facts: unknown) => invocationOf(facts, argv, environment),
    folder,
    environment,
    ...settings,
    output: "none" as const,
  });
}

function invocationOf(
  facts: unknown,
  argv: ArgvTemplate,
  environment: Readonly<Record<string, string>>,
): ScriptInvocation {
  if (typeof facts !== "object" || facts === null) throw new IscepError("internal", "a notice has no facts");
  return {
    argv: argv.fill(facts, []),
    environment: { ...environment, ...variablesOf(facts) },
    stdin: Buffer.from(`${JSON.stringify(facts)}\n`),
    descriptors: [],
    secrets: [],
  };
}

/** The system takes no longer variable (MAX_ARG_STRLEN, execve(2)). A longer fact is on standard input only. */
const maxVariableBytes = 64 * 1024;

/** `endedAtMs` becomes ISCEP_NOTICE_ENDED_AT_MS. */
function variablesOf(facts: object): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(facts)) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (Buffer.byteLength(text) > maxVariableBytes) continue;
    variables[`ISCEP_NOTICE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`] = text;
  }
  return variables;
}

function addressOf(url: unknown, { secret, folder, environment, user }: NotifyDefinition): NoticeAddress {
  if (folder !== undefined || environment !== undefined || user !== undefined)
    throw new IscepError("usage", "`folder`, `environment` and `user` belong to `run`, and not to `url`");
  if (typeof url !== "string" || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new IscepError("usage", "`url` must be an address such as https://example.org/notices");
  if (secret === undefined)
    throw new IscepError(
      "usage",
      "`url` needs `secret`, the file of the key that signs requests; or say `secret: false` for requests without a signature",
    );
  if (secret !== false) webhookKey(readSecret(secret));
  return { kind: "http", url, secret: secret === false ? undefined : secret };
}
