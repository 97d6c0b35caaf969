/** What a client tells of a call that the server has, beside its request. */
import { notificationText } from "../../session/version2-server.js";
import type { JsonObject } from "../../wire/json.js";
import { placeOf } from "./call-states.js";
import type { ClientConnection } from "./client-connection.js";
import type { PendingCall } from "./pending-call.js";

/** Nobody reads its output now. */
export function tellLeave(connection: ClientConnection | undefined, call: PendingCall): void {
  tell(connection, call, "leave", { stream: call.id });
}

/** The size of the caller's window, if its run has a terminal. */
export function tellSize(connection: ClientConnection | undefined, call: PendingCall): void {
  if (call.hasTerminal && call.size !== undefined) tell(connection, call, "resize", { call: call.id, ...call.size });
}

function tell(connection: ClientConnection | undefined, call: PendingCall, method: string, params: JsonObject): void {
  if (placeOf(call.state) === "server") connection?.send(notificationText(method, params));
}
