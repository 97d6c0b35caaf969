/** The calls of one version 2 client that are not over, each found where its state has its place. */
import { IscepError } from "../../errors.js";
import { placeOf, stateAfter, type CallEvent } from "./call-states.js";
import type { PendingCall } from "./pending-call.js";

export class OpenCalls {
  /** By id. */
  readonly atServer = new Map<number, PendingCall>();
  /** For a connection, or for a place at the server; the first one goes first. */
  readonly waiting = new Set<PendingCall>();

  get isEmpty(): boolean {
    return this.atServer.size === 0 && this.waiting.size === 0;
  }

  /** The one way in which a call changes its state. @throws IscepError `internal` for an event that cannot happen to it */
  become(call: PendingCall, event: CallEvent): void {
    const next = stateAfter(call.state, event);
    if (next === undefined)
      throw new IscepError("internal", `"${event}" cannot happen to a call that is ${call.state}`);
    call.state = next;
    const place = placeOf(next);
    if (place === "client") this.waiting.add(call);
    else this.waiting.delete(call);
    if (place === "server") this.atServer.set(call.id, call);
    else this.atServer.delete(call.id);
  }

  /** Those whose caller waits no longer than until `nowMs`; `nextMs` is when the next one is due, or Infinity. */
  due(nowMs: number): { readonly due: readonly PendingCall[]; readonly nextMs: number } {
    const due: PendingCall[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const calls of [this.atServer.values(), this.waiting]) {
      for (const call of calls) {
        if (stateAfter(call.state, "abandon") === undefined) continue;
        if (call.deadlineMs > nowMs) nextMs = Math.min(nextMs, call.deadlineMs);
        else due.push(call);
      }
    }
    return { due, nextMs };
  }
}
