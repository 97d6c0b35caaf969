import type { HttpConfiguration } from "../../configuration/http.js";
import type { Door } from "../../doors/door.js";

/** HTTP is loaded only by those who use it. */
export async function doorsOf(http: HttpConfiguration | undefined): Promise<Door[]> {
  if (http === undefined || http === false) return [];
  const { httpDoor } = await import("../../doors/http/door.js");
  return [httpDoor(http === true ? {} : http)];
}

/** This is printed at each start, so that nobody overlooks it for long. */
export function unsignedHooks(http: HttpConfiguration | undefined): string[] {
  const hooks = typeof http === "object" ? (http.hooks ?? {}) : {};
  return Object.entries(hooks)
    .filter(([, { kind }]) => kind === "unsigned")
    .map(([name, { command }]) => `hook "${name}" is unsigned: everybody who can connect may run "${command}" by it`);
}
