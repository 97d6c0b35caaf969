/**
 * Decides when work may begin. First the command's own concurrency must allow it, then there must be a place in the
 * server. Work that waits for the first takes no place, so it holds up no other command.
 */
import { isDeepStrictEqual } from "node:util";
import type { Command } from "../../model/command.js";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { Concurrency, type ConcurrencyRule } from "./concurrency.js";
import { Places } from "./places.js";
import type { Work } from "../run/work.js";

/** Give it back once, when the work has really ended. */
export interface Turn {
  release(): void;
}

/** What happens to work that asked for its turn. */
export type TurnAnswer =
  | { readonly kind: "begins"; readonly turn: Turn }
  /** `begins` is called when its turn has come. */
  | { readonly kind: "waits" }
  /** Its run must join this work instead. */
  | { readonly kind: "joins"; readonly work: Work; readonly turn: Turn }
  | { readonly kind: "refused"; readonly error: IscepError };

interface Member {
  readonly work: Work;
  begin(): void;
}

export class Turns {
  readonly #limits: Limits;
  readonly #begins: (work: Work, turn: Turn) => void;
  readonly #places: Places;
  /** Threads have their own places, so that runs that wait for a thread hold up no function and no script. */
  readonly #threadPlaces: Places;
  readonly #concurrency: Concurrency<Member>;
  /** For each waiting work, how it leaves the queue. */
  readonly #waiting = new Map<Work, () => void>();
  #telling: NodeJS.Timeout | undefined;

  /**
   * @param begins called for work that had to wait, when its turn has come
   * @param turned called when the server has become full, and when it is not full any more
   */
  constructor(limits: Limits, begins: (work: Work, turn: Turn) => void, turned?: () => void) {
    this.#limits = limits;
    this.#begins = begins;
    this.#places = new Places(limits.maxRuns, limits.maxQueuedRuns, turned);
    this.#threadPlaces = new Places(limits.maxThreads, limits.maxQueuedRuns);
    this.#concurrency = new Concurrency(limits.maxQueuedRuns);
  }

  /** How many runs have their turn. Work that several runs share counts once. */
  get taken(): number {
    return this.#places.taken + this.#threadPlaces.taken;
  }

  get waiting(): number {
    return this.#concurrency.queued + this.#places.waiting + this.#threadPlaces.waiting;
  }

  /** Functions and scripts have to wait for a place. */
  get isFull(): boolean {
    return this.#places.isFull;
  }

  /** Takes a turn at once, or not at all. Most calls go this way. */
  tryTake(command: Command): Turn | undefined {
    if (command.concurrency !== undefined) return undefined;
    const places = this.#placesFor(command);
    return places.tryTake() ? places : undefined;
  }

  request(work: Work): TurnAnswer {
    const { command } = work;
    const { concurrency } = command;
    const { mayWait } = work.first;
    if (concurrency === undefined) return this.#takePlace(work, undefined, { mayWait });
    let key: string;
    try {
      key = `${command.name} ${concurrency.key(work.args)}`;
    } catch (cause) {
      const sentence = "the command's concurrency key cannot be made; the command's author has to mend it";
      return { kind: "refused", error: new IscepError("internal", sentence, { cause }) };
    }
    const slot: Turn = { release: () => this.#leaveKey(key, member) };
    const member: Member = { work, begin: () => this.#beginMember(work, slot) };
    // Work that may not wait replaces no other run either, because it would have to wait for the end of that run.
    const rule = {
      maxQueued: this.#limits.maxQueuedRunsPerKey,
      ...concurrency,
      ...(mayWait ? {} : { whenFull: "reject" as const }),
    };
    const entry = this.#concurrency.enter(key, member, rule, (other) => mayJoin(other.work, work));
    if (entry.verdict === "begin") return this.#takePlace(work, slot, { mayWait });
    if (entry.verdict === "join") return { kind: "joins", work: entry.first.work, turn: slot };
    if (entry.verdict === "full") {
      const ofKey = entry.of === "key";
      const error = ofKey ? fullKey(rule) : fullServer(this.#concurrency.queued);
      return { kind: "refused", error };
    }
    this.#waiting.set(work, () => slot.release());
    work.moved(entry.position);
    for (const run of entry.replaces?.work.runs ?? [])
      run.abort(new IscepError("cancelled", "a newer call of this command took its place"));
    return { kind: "waits" };
  }

  /** The work has its slot. Work that was let in is not refused later, and the queue stays bounded. */
  #beginMember(work: Work, slot: Turn): void {
    // The work may have left meanwhile.
    if (!this.#waiting.delete(work)) return;
    const answer = this.#takePlace(work, slot, { hasWaited: true });
    if (answer.kind === "begins") this.#begins(work, answer.turn);
  }

  #takePlace(
    work: Work,
    slot: Turn | undefined,
    { mayWait = true, hasWaited = false }: { readonly mayWait?: boolean; readonly hasWaited?: boolean },
  ): TurnAnswer {
    const places = this.#placesFor(work.command);
    const turn = slot === undefined ? places : bothOf(places, slot);
    if (places.tryTake()) {
      work.moved(0);
      return { kind: "begins", turn };
    }
    const waiter = {
      start: () => {
        this.#tellSoon();
        if (!this.#waiting.delete(work)) return turn.release();
        work.moved(0);
        this.#begins(work, turn);
      },
      moved: (position: number) => work.moved(position),
    };
    if (!mayWait || !places.wait(waiter, hasWaited)) {
      slot?.release();
      return { kind: "refused", error: fullServer(places.waiting, places.taken) };
    }
    this.#waiting.set(work, () => {
      // Otherwise the work already has its place, and gives it back when it would start.
      if (!places.leave(waiter)) return;
      this.#tellSoon();
      slot?.release();
    });
    work.moved(places.waiting);
    return { kind: "waits" };
  }

  /** Removes work that no run wants any more. Returns false when it does not wait. */
  leave(work: Work): boolean {
    const leave = this.#waiting.get(work);
    if (leave === undefined) return false;
    this.#waiting.delete(work);
    leave();
    return true;
  }

  #leaveKey(key: string, member: Member): void {
    const begun = this.#concurrency.leave(key, member);
    this.#tellSoon();
    // They begin in a later turn. One that ends at once would release from within this call, as deep as there are
    // others who wait.
    for (const next of begun) setImmediate(() => next.begin());
  }

  #placesFor(command: Command): Places {
    return command.kind === "function" && command.threadModule !== undefined ? this.#threadPlaces : this.#places;
  }

  /** Each entry that leaves moves all entries behind it. They are told at intervals, not each time. */
  #tellSoon(): void {
    if (this.waiting === 0) return;
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.#tellPositions();
    }, this.#limits.queuePositionIntervalMs);
  }

  #tellPositions(): void {
    for (const queue of this.#concurrency.queues()) {
      let position = 0;
      for (const { work } of queue) work.moved(++position);
    }
    this.#places.tellPositions();
    this.#threadPlaces.tellPositions();
  }

  close(): void {
    clearTimeout(this.#telling);
  }
}

/** Runs of other owners are never shown, and no caller gets the result of other arguments. */
function mayJoin(other: Work, work: Work): boolean {
  return (
    other.first.identity.owner === work.first.identity.owner &&
    !other.isClosed &&
    // Each call has its own standard input, and one of them would be lost.
    other.first.input === undefined &&
    work.first.input === undefined &&
    isDeepStrictEqual(other.args, work.args)
  );
}

function bothOf(places: Places, slot: Turn): Turn {
  return {
    release: () => {
      places.release();
      slot.release();
    },
  };
}

/** The message does not say who runs, because this caller must not know. */
function fullKey({ limit, whenFull, maxQueued }: ConcurrencyRule): IscepError {
  const atOnce = `this command runs at most ${limit} at once`;
  const queue = whenFull === "reject" ? "does not queue" : `lets at most ${maxQueued} wait`;
  return new IscepError("busy", `${atOnce} and ${queue}; try again later`);
}

function fullServer(waiting: number, taken?: number): IscepError {
  const underWay = taken === undefined ? "" : `${taken} runs are under way and `;
  return new IscepError("busy", `the server is full: ${underWay}${waiting} wait; try again later`);
}
