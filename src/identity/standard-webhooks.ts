/** The signature of webhooks as https://www.standardwebhooks.com says, with a shared secret (`v1`). */
import { createHmac } from "node:crypto";

const keyPrefix = "whsec_";

/** The key in a secret: base64 behind `whsec_`, and otherwise the bytes of the text. */
export function webhookKey(secret: string): Buffer {
  return secret.startsWith(keyPrefix) ? Buffer.from(secret.slice(keyPrefix.length), "base64") : Buffer.from(secret);
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
