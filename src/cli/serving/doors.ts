import type { HttpConfiguration } from "../../configuration/http.js";
import type { Door } from "../../doors/door.js";

/** HTTP is loaded only by those who use it. */
export async function doorsOf(http: HttpConfiguration | undefined): Promise<Door[]> {
  if (http === undefined || http === false) return [];
  const { httpDoor } = await import("../../doors/http/door.js");
  return [httpDoor(http === true ? {} : http)];
}
