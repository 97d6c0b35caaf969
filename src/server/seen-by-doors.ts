/** What the doors of a server get of it when it opens them. */
import type { BuiltInDoorServer } from "../doors/built-in-door.js";
import type { DoorServer } from "../doors/door.js";

/** @param more what only the server's own doors know of */
export function seenByDoors(server: DoorServer, more: Omit<BuiltInDoorServer, keyof DoorServer>): BuiltInDoorServer {
  return {
    limits: server.limits,
    access: server.access,
    client: (options) => server.client(options),
    onCommandsChanged: (listener) => server.onCommandsChanged(listener),
    unready: () => server.unready(),
    metrics: () => server.metrics(),
    load: () => server.load(),
    onLoadChanged: (listener) => server.onLoadChanged(listener),
    accept: (stream, options) => server.accept(stream, options),
    report: (message, error) => server.report(message, error),
    ...more,
  };
}
