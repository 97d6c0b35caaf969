/** The calls of one version 2 client that are not over. The state of a call decides where it is kept. */
import { IscepError } from "../../errors.js";
import { placeOf, stateAfter, traceAfter, type CallEvent } from "./call-states.js";
import { firstCallId } from "./connection.js";
import type { PendingCall } from "./pending-call.js";

export class OpenCalls {
  /** The calls by id. */
  readonly atServer = new Map<number, PendingCall>();
  /** Calls that wait for a connection, or for a place in the server. The first one goes first. */
  readonly waiting = new Set<PendingCall>();
  #nextId = firstCallId;

  takeId(): number {
    const id = this.#nextId;
    // Ids name streams and have 4 bytes. When they start again from the beginning, the first ones have long ended.
    this.#nextId = id >= 2 ** 32 - 1 ? firstCallId : id + 1;
    return id;
  }

  get isEmpty(): boolean {
    return this.atServer.size === 0 && this.waiting.size === 0;
  }

  /**
   * Changes the state and the trace of a call; nothing else does.
   * @throws IscepError `internal` for an event that cannot happen to it
   */
  become(call: PendingCall, event: CallEvent): void {
    const next = stateAfter(call.state, event, call.trace);
    if (next === undefined)
      throw new IscepError("internal", `"${event}" cannot happen to a call that is ${call.state}`);
    const before = placeOf(call.state);
    const place = placeOf(next);
    call.state = next;
    call.trace = traceAfter(call.trace, event);
    if (place === before) return;
    if (before === "server") this.atServer.delete(call.id);
    else this.waiting.delete(call);
    if (place === "client") this.waiting.add(call);
    else if (place === "server") this.atServer.set(call.id, call);
  }

  /** The calls whose caller waits only until `nowMs`. `nextMs` is when the next one is due, or Infinity. */
  due(nowMs: number): { readonly due: readonly PendingCall[]; readonly nextMs: number } {
    const due: PendingCall[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const calls of [this.atServer.values(), this.waiting]) {
      for (const call of calls) {
        if (stateAfter(call.state, "abandon", call.trace) === undefined) continue;
        if (call.deadlineMs > nowMs) nextMs = Math.min(nextMs, call.deadlineMs);
        else due.push(call);
      }
    }
    return { due, nextMs };
  }
}
