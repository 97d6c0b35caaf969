/** Where the secret of a webhook is: in a file that only its owner can read, or in an environment variable. */
import { IscepError } from "../errors.js";
import { limitTable } from "../limits/limits.js";
import { readPrivateText } from "./private-file.js";

/** The path of a file, or the name of an environment variable of the server. */
export type SecretPlace = string | { readonly env: string };

/** A shorter secret could be found by trying. */
const minCharacters = 16;

/**
 * The secret as text, without the end of its line.
 * @throws IscepError `configuration` when it is missing, too short, or open to others
 */
export function readSecret(place: SecretPlace): string {
  const text = typeof place === "string" ? textOfFile(place) : process.env[place.env];
  const secret = text?.replace(/\r?\n$/, "");
  const name = typeof place === "string" ? `the secret file ${place}` : `the environment variable ${place.env}`;
  if (secret === undefined)
    throw new IscepError("configuration", `${name} is not set; give the server its secret there`);
  if (secret.length < minCharacters) {
    const how = "make one with: openssl rand -base64 32";
    throw new IscepError("configuration", `${name} has fewer than ${minCharacters} characters; ${how}`);
  }
  return secret;
}

function textOfFile(path: string): string {
  const { text } = readPrivateText(path, {
    kind: "secret file",
    maxBytes: limitTable.maxWebhookSecretBytes.default,
    limit: "maxWebhookSecretBytes",
    whenMissing: "make one with: openssl rand -base64 32",
  });
  return text;
}
