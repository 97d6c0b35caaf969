/** The signature of webhooks as https://www.standardwebhooks.com says, with a shared secret (`v1`). */
import { createHmac } from "node:crypto";
import { IscepError } from "../errors.js";

const keyPrefix = "whsec_";

/** A key that is not even this long could be found by trying. */
const minKeyBytes = 16;

/**
 * The key in a secret: base64 behind `whsec_`, and otherwise the bytes of the text.
 * @throws IscepError `configuration` for a text behind `whsec_` that is no base64, or too short
 */
export function webhookKey(secret: string): Buffer {
  if (!secret.startsWith(keyPrefix)) return Buffer.from(secret);
  const text = secret.slice(keyPrefix.length);
  const key = Buffer.from(text, "base64");
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(text) && key.length >= minKeyBytes) return key;
  const sentence = `a secret that begins with ${keyPrefix} is base64 of at least ${minKeyBytes} bytes behind it`;
  throw new IscepError("configuration", `${sentence}; copy it once more from its sender`);
}

/** One signature, without its version. */
export function webhookSignature(key: Buffer, id: string, timestampSeconds: number, body: string | Buffer): Buffer {
  return createHmac("sha256", key).update(`${id}.${timestampSeconds}.`).update(body).digest();
}

/** The headers of a message. */
export function webhookHeaders(
  secret: string | undefined,
  id: string,
  timestampSeconds: number,
  body: string,
): Readonly<Record<string, string>> {
  const signed =
    secret === undefined
      ? {}
      : {
          "webhook-signature": `v1,${webhookSignature(webhookKey(secret), id, timestampSeconds, body).toString("base64")}`,
        };
  return { "webhook-id": id, "webhook-timestamp": String(timestampSeconds), ...signed };
}
