/** Opens HTTP on a server. */
import type { BuiltInDoorServer } from "../built-in-door.js";
import type { Door } from "../door.js";
import { httpApp } from "./app.js";
import { HttpConnections } from "./connections.js";
import { OpenInputs } from "./input/open-inputs.js";
import { plainCallRoute } from "./calls/plain-call.js";
import { sameSite } from "./request/same-site.js";
import { checkHttpSettings, type HttpSettings } from "./request/settings.js";

export type { HookArgument, HookDefinition } from "../../hooks/definition.js";
export type { HttpSettings } from "./request/settings.js";

/**
 * Makes a door for HTTP: `new Server({ doors: [httpDoor()] })`.
 * @throws IscepError `usage` for an option that does not exist
 */
export function httpDoor(settings: HttpSettings = {}): Door {
  checkHttpSettings(settings);
  const inputs = new OpenInputs();
  return {
    async open(server: BuiltInDoorServer): Promise<{ url: string }> {
      const { limits } = server;
      const site = sameSite(settings);
      const connections = new HttpConnections(
        httpApp(server, settings, site, inputs),
        plainCallRoute(site, limits),
        limits,
      );
      const urls = await server.acceptHttp((connection) => connections.add(connection), settings.listen);
      return { url: urls.find((url) => !url.startsWith("http+unix:")) ?? urls[0] ?? "" };
    },
    // The server counts the connections, lets them end, and cuts them.
    async drain(): Promise<void> {},
    async close(): Promise<void> {
      await inputs.close();
    },
  };
}
