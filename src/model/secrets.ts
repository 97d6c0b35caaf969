/** Hides secret arguments from logs: neither their values nor their lengths are shown. */
import { formsOf, maskForms } from "../text/secret-forms.js";

/** Stands for the value of a secret argument. */
export const secretValue: unique symbol = Symbol("secret");

export interface HiddenSecrets {
  /** The arguments as they were given, with `secretValue` in place of each secret. */
  readonly args: unknown;
  /** The texts that were given as secrets. */
  readonly secrets: readonly string[];
}

const noSecrets: readonly string[] = [];

export function hideSecrets(args: unknown, secretArguments: readonly string[] = noSecrets): HiddenSecrets {
  if (secretArguments.length === 0 || typeof args !== "object" || args === null) return { args, secrets: noSecrets };
  const hidden: Record<string, unknown> = { ...args };
  const secrets: string[] = [];
  for (const name of secretArguments) {
    if (!Object.hasOwn(hidden, name)) continue;
    const value = hidden[name];
    if (typeof value === "string" && value !== "") secrets.push(value);
    hidden[name] = secretValue;
  }
  return { args: hidden, secrets };
}

/** Masks a secret in each of its usual forms: see `formsOf`. */
export function maskText(text: string, secrets: readonly string[]): string {
  return secrets.length === 0 ? text : maskForms(text, secrets.flatMap(formsOf));
}

/** What was thrown, with its causes, made safe for a log. A command may have put its secret into a message. */
export function maskThrown(thrown: unknown, secrets: readonly string[], causesLeft: number): unknown {
  if (secrets.length === 0) return thrown;
  if (typeof thrown === "string") return maskText(thrown, secrets);
  try {
    return thrown instanceof Error ? maskError(thrown, secrets, causesLeft) : undefined;
  } catch {
    return undefined; // its fields may be getters that throw
  }
}

function maskError(thrown: Error, secrets: readonly string[], causesLeft: number): Error {
  // The types promise less than they say: a program may have put anything there.
  const { message, name, stack, cause }: { message: unknown; name: unknown; stack?: unknown; cause?: unknown } = thrown;
  const code: unknown = "code" in thrown ? thrown.code : undefined;
  const masked = new Error(maskText(String(message), secrets));
  masked.name = maskText(String(name), secrets);
  masked.stack = maskText(String(stack), secrets);
  if (typeof code === "string") Object.assign(masked, { code: maskText(code, secrets) });
  if (thrown instanceof AggregateError && causesLeft > 0) {
    const errors: unknown[] = thrown.errors;
    Object.assign(masked, { errors: errors.map((error) => maskThrown(error, secrets, causesLeft - 1)) });
  }
  if (cause !== undefined && causesLeft > 0) masked.cause = maskThrown(cause, secrets, causesLeft - 1);
  return masked;
}
