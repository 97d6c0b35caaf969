/** Reads one delivery: whether it is signed, whether it is to run, and with which arguments. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readSecret } from "../files/secret-place.js";
import { webhookKey, webhookSignature } from "../identity/standard-webhooks.js";
import { isJsonObject, parseJson, type JsonLimits } from "../wire/json.js";
import type { Hook, HookSource } from "./hook.js";

export interface Delivery {
  readonly header: (name: string) => string | undefined;
  /** The body as it came, byte for byte, because that is what was signed. */
  readonly body: Buffer;
}

/**
 * The time that this takes does not tell how much of a signature was right. @throws IscepError `configuration` when no
 * secret can be read
 */
export function isSigned(hook: Hook, delivery: Delivery, nowMs: number, toleranceMs: number): boolean {
  if (hook.kind === "unsigned") return true;
  const secrets = hook.secrets.map(readSecret);
  if (hook.kind === "standard") return isStandard(secrets, delivery, nowMs, toleranceMs);
  const given = signatureIn(delivery.header(hook.kind === "github" ? "x-hub-signature-256" : hook.signatureHeader));
  if (given === undefined) return false;
  return anyIs(
    given,
    secrets.map((secret) => createHmac("sha256", secret).update(delivery.body).digest()),
  );
}

function isStandard(
  secrets: readonly string[],
  { header, body }: Delivery,
  nowMs: number,
  toleranceMs: number,
): boolean {
  const [id, timestamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    header(name),
  );
  if (id === undefined || signatures === undefined || !/^\d{1,12}$/.test(timestamp ?? "")) return false;
  // A message that somebody has overheard and sends again later is too old.
  if (Math.abs(nowMs - Number(timestamp) * 1_000) > toleranceMs) return false;
  const expected = secrets.map((secret) => webhookSignature(webhookKey(secret), id, Number(timestamp), body));
  return signatures
    .split(" ", maxSignatures)
    .filter((signature) => signature.startsWith("v1,"))
    .some((signature) => anyIs(Buffer.from(signature.slice(3), "base64"), expected));
}

/** A sender that changes its key signs with both. */
const maxSignatures = 10;

function anyIs(given: Buffer, expected: readonly Buffer[]): boolean {
  return expected.filter((digest) => digest.length === given.length && timingSafeEqual(digest, given)).length > 0;
}

/** Hex or base64 of 32 bytes, with or without `sha256=`. */
function signatureIn(header: string | undefined): Buffer | undefined {
  const text = (header ?? "").trim().replace(/^sha256=/, "");
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, "base64") : undefined;
}

/**
 * The arguments; undefined when the delivery is not to run.
 * @throws IscepError `protocol` for a body that is no JSON, where something of it is asked for
 */
export function argumentsOf(hook: Hook, delivery: Delivery, limits: JsonLimits): Record<string, unknown> | undefined {
  let body: { readonly value: unknown } | undefined;
  const valueAt = (source: HookSource): unknown => {
    if ("header" in source) return delivery.header(source.header);
    body ??= { value: parseJson(jsonIn(delivery), limits) };
    return source.pointer.reduce(memberOf, body.value);
  };
  const namesEvent = hook.when.some(({ from }) => "header" in from && from.header === "x-github-event");
  if (hook.kind === "github" && !namesEvent && delivery.header("x-github-event") === "ping") return undefined;
  for (const { from, values } of hook.when) if (!values.includes(valueAt(from))) return undefined;
  const args: Record<string, unknown> = {};
  for (const [name, argument] of hook.args) {
    const value = "from" in argument ? valueAt(argument.from) : argument.value;
    // A missing value is left out, so that a default or a clear refusal follows.
    if (value !== undefined && value !== null) Object.defineProperty(args, name, { value, enumerable: true });
  }
  return args;
}

/** Some senders put the JSON into a field of a form, as GitHub does unless it is told otherwise. */
function jsonIn({ header, body }: Delivery): Buffer {
  // The content type is not signed, so the signed body itself must begin like such a form. Signed JSON is never read as
  // a form.
  const isForm = header("content-type")?.startsWith("application/x-www-form-urlencoded") === true;
  if (!isForm || body.subarray(0, 8).toString("latin1") !== "payload=") return body;
  return Buffer.from(new URLSearchParams(body.toString()).get("payload") ?? "");
}

function memberOf(value: unknown, part: string): unknown {
  if (Array.isArray(value)) return /^(?:0|[1-9]\d{0,8})$/.test(part) ? (value as unknown[])[Number(part)] : undefined;
  return isJsonObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
}

/** The key of a delivery, which is the same when the delivery comes again. A long id becomes its hash. */
export function deliveryKey({ idHeader }: Hook, { header }: Delivery): string | undefined {
  const id = idHeader === undefined ? undefined : header(idHeader);
  if (id === undefined || id === "") return undefined;
  return id.length <= maxKeyCharacters ? id : createHash("sha256").update(id).digest("base64url");
}

const maxKeyCharacters = 128;
