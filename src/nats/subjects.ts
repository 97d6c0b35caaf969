/** The names under which instances of a service are found on a broker (docs/SCALING.md). */
import { randomBytes } from "node:crypto";
import { IscepError } from "../errors.js";

/** The source of callers who come over a broker, for logs and limits. */
export const natsSource = "nats";

const serviceForm = /^[A-Za-z0-9_-]{1,64}$/;
const idForm = /^[A-Za-z0-9]{12}$/;
const inboxForm = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+$/;
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** @throws IscepError `usage` for a name that no service can have */
export function checkServiceName(name: string): string {
  if (serviceForm.test(name)) return name;
  throw new IscepError(
    "usage",
    `"${name.slice(0, 80)}" is no name of a service on NATS; take 1 to 64 of the characters A-Z, a-z, 0-9, _ and -`,
  );
}

/** Names an instance for one life of its process, and a link for as long as it is open: 12 random characters. */
export function newId(): string {
  let id = "";
  // 248 is the largest multiple of 62 in a byte, so all digits are equally likely.
  while (id.length < 12) for (const byte of randomBytes(16)) if (byte < 248 && id.length < 12) id += digits[byte % 62];
  return id;
}

export function isId(text: unknown): text is string {
  return typeof text === "string" && idForm.test(text);
}

/**
 * True for a subject that answers may go to. The sender of the request chooses the subject, so it must not lead to a
 * service, nor to the broker's own subjects, which begin with $.
 */
export function isInbox(subject: string | undefined): subject is string {
  return subject !== undefined && subject.length <= 256 && inboxForm.test(subject) && !subject.startsWith("iscep.");
}

/** The service must have passed `checkServiceName`, and instances and links `isId`. */
export const subjects = {
  /** Opens a link to this instance. */
  session: (service: string, instance: string) => `iscep.${service}.session.${instance}`,
  /** Messages of a link to this instance; `*` stands for all of them. */
  link: (service: string, instance: string, link: string) => `iscep.${service}.link.${instance}.${link}`,
  /** All instances tell here that they are there. */
  beat: (service: string) => `iscep.${service}.beat`,
  /** A request that each instance answers with its beat. */
  who: (service: string) => `iscep.${service}.who`,
} as const;
