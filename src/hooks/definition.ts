/** Checks the definitions of webhooks. */
import { IscepError } from "../errors.js";
import { readSecret, type SecretPlace } from "../files/secret-place.js";
import { webhookKey } from "../identity/standard-webhooks.js";
import type { Command } from "../model/command.js";
import { didYouMean } from "../text/near-name.js";
import { refuseUnknownOption } from "../text/unknown-option.js";
import { isJsonObject } from "../wire/json.js";
import { hookKinds, type Hook, type HookKind, type HookSource } from "./hook.js";

/**
 * `{ from: "/a/b" }` is taken from the body by a JSON pointer, `{ from: "X-Header" }` from a header. Any other value is
 * fixed.
 */
export type HookArgument = { readonly from: string } | string | number | boolean | readonly unknown[] | null;

export interface HookDefinition {
  /** The command that a delivery runs. */
  readonly command: string;
  /**
   * Who signs, and how: `github` (X-Hub-Signature-256), `standard` (https://www.standardwebhooks.com), `hmac`
   * (HMAC-SHA256 of the body as hex or base64 in a header), or `unsigned`, which lets in everybody who knows the
   * address.
   */
  readonly kind: HookKind;
  /**
   * The secret: the path of a file, or `{ env: NAME }`; several while one takes the place of another. Default: none, which
   * only `unsigned` allows.
   */
  readonly secret?: SecretPlace | readonly SecretPlace[];
  /** With `hmac`: the header of the signature. Default: `X-Signature-256`. */
  readonly signatureHeader?: string;
  /**
   * The header with the id of a delivery: a delivery that comes again joins the run of the first one. Default:
   * `X-GitHub-Delivery` or `webhook-id`, and none for the other kinds.
   */
  readonly idHeader?: string;
  /** The arguments of the command. Default: none. */
  readonly args?: Readonly<Record<string, HookArgument>>;
  /**
   * Only deliveries that fit run: by JSON pointer or header, the value, or a list of allowed values. Default: all, except
   * GitHub's `ping`.
   */
  readonly when?: Readonly<Record<string, unknown>>;
}

const names = {
  command: true,
  kind: true,
  secret: true,
  signatureHeader: true,
  idHeader: true,
  args: true,
  when: true,
} satisfies Record<keyof HookDefinition, true>;

const usualIdHeaders: Readonly<Record<HookKind, string | undefined>> = {
  github: "x-github-delivery",
  standard: "webhook-id",
  hmac: undefined,
  unsigned: undefined,
};

/** @throws IscepError `usage`, or `configuration` for a secret */
export function compileHooks(hooks: Readonly<Record<string, HookDefinition>>): ReadonlyMap<string, Hook> {
  return new Map(Object.entries(hooks).map(([name, definition]) => [name, compileHook(name, definition)]));
}

/** @throws IscepError as `compileHooks` */
export function compileHook(name: string, definition: HookDefinition): Hook {
  const wrong = (sentence: string): IscepError => new IscepError("usage", `hook "${name}": ${sentence}`);
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) throw wrong("its name may have letters, digits, _ and -, at most 64");
  refuseUnknownOption(`hook "${name}"`, definition, names);
  const { command, kind, secret, signatureHeader, idHeader } = definition;
  if (typeof command !== "string") throw wrong("it needs `command`, the name of the command that it runs");
  if (!hookKinds.includes(kind)) throw wrong(`\`kind\` must be one of ${hookKinds.join(", ")}`);
  const secrets = secret === undefined ? [] : isList(secret) ? secret : [secret];
  if (kind === "unsigned" && secrets.length > 0) throw wrong("`unsigned` checks no secret; choose another kind");
  if (kind !== "unsigned" && secrets.length === 0)
    throw wrong("it needs `secret`, the file of the secret that its sender signs with");
  if (signatureHeader !== undefined && kind !== "hmac") throw wrong("`signatureHeader` belongs to `hmac`");
  for (const place of secrets) checkSecret(place, kind);
  return Object.freeze({
    name,
    command,
    kind,
    secrets,
    signatureHeader: headerName(signatureHeader ?? "X-Signature-256", wrong),
    idHeader: idHeader === undefined ? usualIdHeaders[kind] : headerName(idHeader, wrong),
    args: new Map(
      Object.entries(definition.args ?? {}).map(([argument, value]) => [argument, argumentOf(value, wrong)]),
    ),
    when: Object.entries(definition.when ?? {}).map(([from, value]) => ({
      from: sourceOf(from, wrong),
      values: Array.isArray(value) ? (value as unknown[]) : [value],
    })),
  });
}

function isList(secret: SecretPlace | readonly SecretPlace[]): secret is readonly SecretPlace[] {
  return Array.isArray(secret);
}

function checkSecret(place: SecretPlace, kind: HookKind): void {
  const secret = readSecret(place);
  if (kind === "standard") webhookKey(secret);
}

type Wrong = (sentence: string) => IscepError;

function argumentOf(value: HookArgument, wrong: Wrong): { readonly value: unknown } | { readonly from: HookSource } {
  if (!isJsonObject(value)) return { value };
  const { from, ...others } = value;
  if (typeof from === "string" && Object.keys(others).length === 0) return { from: sourceOf(from, wrong) };
  throw wrong('an argument is a fixed value, or { from: "/pointer" }, or { from: "Header" }');
}

function sourceOf(text: string, wrong: Wrong): HookSource {
  if (!text.startsWith("/")) return { header: headerName(text, wrong) };
  if (/~(?![01])/.test(text))
    throw wrong(`${JSON.stringify(text)} is no JSON pointer: ~ is written as ~0, and / as ~1`);
  const pointer = text.slice(1).split("/");
  return { pointer: pointer.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~")) };
}

function headerName(name: string, wrong: Wrong): string {
  if (/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/.test(name)) return name.toLowerCase();
  throw wrong(`${JSON.stringify(name)} is neither a JSON pointer, which begins with /, nor the name of a header`);
}

/** Why the hook cannot run its command; undefined when it can, as far as that can be known before a delivery. */
export function hookFault(hook: Hook, commands: readonly Command[]): string | undefined {
  const command = commands.find(({ name }) => name === hook.command);
  if (command === undefined) {
    const hint = didYouMean(
      hook.command,
      commands.map(({ name }) => name),
    );
    return `hook "${hook.name}" runs command "${hook.command}", which does not exist${hint}`;
  }
  const { properties, required } = command.argsSchema;
  const declared = isJsonObject(properties) ? Object.keys(properties) : [];
  const given = [...hook.args.keys()];
  const unknown = given.find((name) => !declared.includes(name));
  if (unknown !== undefined)
    return `hook "${hook.name}" gives argument "${unknown}", which command "${hook.command}" has not${didYouMean(unknown, declared)}`;
  const needed: readonly unknown[] = Array.isArray(required) ? required : [];
  const missing = needed.filter((name) => typeof name === "string").find((name) => !given.includes(name));
  return missing === undefined
    ? undefined
    : `hook "${hook.name}" gives no argument "${missing}", which command "${hook.command}" needs`;
}
