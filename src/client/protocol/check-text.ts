import { IscepError } from "../../errors.js";

/**
 * Programs without types may give anything, and what JSON has no form for would break the message around it.
 * @throws IscepError `usage`
 */
export function checkText(what: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new IscepError("usage", `${what} has to be a text, and this one is ${value === null ? "null" : typeof value}`);
}
