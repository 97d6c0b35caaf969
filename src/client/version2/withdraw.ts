import { isJsonObject } from "../../wire/json.js";
import { placeOf } from "./call-states.js";
import type { CallRequest, PendingCall } from "./pending-call.js";

export interface Starter {
  start(request: CallRequest): PendingCall;
}

/** As `WithdrawableRun.withdraw`. */
export function withdraw(client: Starter, call: PendingCall): Promise<boolean | undefined> {
  if (placeOf(call.state) !== "server") return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const { timeoutMs } = call.request;
    const answered = (result: unknown): void => {
      const { withdrawn, waits } = isJsonObject(result) ? result : {};
      resolve(withdrawn === true || (waits === true ? undefined : false));
    };
    const params = { call: call.id };
    client.start({ method: "withdraw", params, timeoutMs, resolve: answered, reject: () => resolve(undefined) });
  });
}
