import type { HttpConfiguration } from "../../configuration/http.js";
import type { NatsConfiguration } from "../../configuration/nats.js";
import type { Door } from "../../doors/door.js";
import type { NatsSettings } from "../../doors/nats/door.js";
import { IscepError } from "../../errors.js";
import { surroundings } from "../terminal/surroundings.js";

interface DoorSettings {
  readonly http?: HttpConfiguration | undefined;
  readonly nats?: NatsConfiguration | undefined;
  readonly allowCleartext?: boolean | undefined;
}

/** Each door is loaded only by servers that use it. @throws IscepError `usage`, `configuration` */
export async function doorsOf({ http, nats, allowCleartext }: DoorSettings): Promise<Door[]> {
  const doors: Door[] = [];
  if (http !== undefined && http !== false) {
    const { httpDoor } = await import("../../doors/http/door.js");
    doors.push(httpDoor(http === true ? {} : http));
  }
  if (nats !== undefined) {
    const { natsDoor } = await import("../../doors/nats/door.js");
    doors.push(natsDoor(natsSettings(nats, allowCleartext)));
  }
  return doors;
}

/** @throws IscepError `configuration` when the variable of the password is not set */
export function natsSettings({ password, ...given }: NatsConfiguration, allowCleartext = false): NatsSettings {
  const settings = { ...given, allowCleartext: allowCleartext || given.allowCleartext === true };
  return password === undefined ? settings : { ...settings, password: passwordOf(password.env) };
}

function passwordOf(variable: string): string {
  const password = surroundings().env[variable];
  if (password !== undefined) return password;
  throw new IscepError(
    "configuration",
    `the environment variable ${variable} is not set; give the server the broker's password there`,
  );
}

/** This is printed at each start, so that nobody overlooks it for long. */
export function unsignedHooks(http: HttpConfiguration | undefined): string[] {
  const hooks = typeof http === "object" ? (http.hooks ?? {}) : {};
  return Object.entries(hooks)
    .filter(([, { kind }]) => kind === "unsigned")
    .map(([name, { command }]) => `hook "${name}" is unsigned: everybody who can connect may run "${command}" by it`);
}
