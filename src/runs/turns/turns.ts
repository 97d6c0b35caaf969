/**
 * When a run may begin: first its command's own concurrency has to allow it, then there has to be a place in the
 * server. Who waits for the first takes no place, and so holds up no other command.
 */
import { isDeepStrictEqual } from "node:util";
import type { Command, CommandConcurrency } from "../../model/command.js";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { Concurrency } from "./concurrency.js";
import { Places } from "./places.js";
import type { Run } from "../run/run.js";

/** To be given back once, when the work has really ended. */
export interface Turn {
  release(): void;
}

/** What becomes of a run that asked for its turn. */
export interface TurnListener {
  /** Called first, and once, when it cannot begin at once. From here on an abort takes it out of the queue. */
  waits(): void;
  begins(turn: Turn): void;
  /** It shall have the outcome and the output of this one. */
  joins(first: Run, turn: Turn): void;
}

interface Member {
  readonly run: Run;
  readonly args: unknown;
  begin(): void;
}

export class Turns {
  readonly #limits: Limits;
  readonly #places: Places;
  /** Apart from the others: runs that wait for a thread hold up no function and no script. */
  readonly #threadPlaces: Places;
  readonly #concurrency: Concurrency<Member>;
  #telling: NodeJS.Timeout | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#places = new Places(limits.maxRuns, limits.maxQueuedRuns);
    this.#threadPlaces = new Places(limits.maxThreads, limits.maxQueuedRuns);
    this.#concurrency = new Concurrency(limits.maxQueuedRuns);
  }

  /** At once, or not at all: the way of most calls. */
  tryTake(command: Command): Turn | undefined {
    if (command.concurrency !== undefined) return undefined;
    const places = this.#placesFor(command);
    return places.tryTake() ? places : undefined;
  }

  /** Tells the listener, now or later. Returns why not, and then the listener hears nothing. */
  request(run: Run, command: Command, args: unknown, listener: TurnListener): IscepError | undefined {
    const places = this.#placesFor(command);
    const { concurrency } = command;
    if (concurrency === undefined) return this.#takePlace(run, places, undefined, listener);
    let key: string;
    try {
      key = `${command.name} ${concurrency.key(args)}`;
    } catch (cause) {
      const sentence = "the command's concurrency key cannot be made; the command's author has to mend it";
      return new IscepError("internal", sentence, { cause });
    }
    let waits = false;
    const slot: Turn = { release: () => this.#leave(key, member) };
    const member: Member = {
      run,
      args,
      begin: () => {
        waits = false;
        if (!run.isAborted) this.#takePlace(run, places, slot, listener, true);
      },
    };
    const { maxQueuedRunsPerKey } = this.#limits;
    const rule = { maxQueued: maxQueuedRunsPerKey, ...concurrency };
    const entry = this.#concurrency.enter(key, member, rule, (first) => mayJoin(first, member));
    if (entry.verdict === "begin") return this.#takePlace(run, places, slot, listener);
    if (entry.verdict === "full")
      return entry.of === "key" ? fullKey(concurrency, rule.maxQueued) : fullServer(this.#concurrency.queued);
    if (entry.verdict === "join") {
      listener.joins(entry.first.run, slot);
      return undefined;
    }
    waits = true;
    listener.waits();
    run.whenAborted(() => {
      if (waits) slot.release();
    });
    run.movedInQueue(entry.position);
    entry.replaces?.run.abort(new IscepError("cancelled", "a newer call of this command took its place"));
    return undefined;
  }

  /** @param hasWaited for its slot: what was let in is not refused later, and the queue is bounded all the same */
  #takePlace(
    run: Run,
    places: Places,
    slot: Turn | undefined,
    listener: TurnListener,
    hasWaited = false,
  ): IscepError | undefined {
    const turn = slot === undefined ? places : bothOf(places, slot);
    const begins = (): void => {
      run.movedInQueue(0);
      listener.begins(turn);
    };
    if (places.tryTake()) {
      begins();
      return undefined;
    }
    const waiter = {
      start: () => {
        this.#tellSoon();
        if (run.isAborted) turn.release();
        else begins();
      },
      moved: (position: number) => run.movedInQueue(position),
    };
    if (!places.wait(waiter, hasWaited)) {
      slot?.release();
      return fullServer(places.waiting, places.taken);
    }
    if (!hasWaited) listener.waits();
    run.movedInQueue(places.waiting);
    run.whenAborted(() => {
      if (!places.leave(waiter)) return;
      this.#tellSoon();
      slot?.release();
    });
    return undefined;
  }

  #leave(key: string, member: Member): void {
    const begun = this.#concurrency.leave(key, member);
    this.#tellSoon();
    // Not from here: one that ends at once would release from within, as deep as there are others who wait.
    for (const next of begun) setImmediate(() => next.begin());
  }

  #placesFor(command: Command): Places {
    return command.kind === "function" && command.threadModule !== undefined ? this.#threadPlaces : this.#places;
  }

  /** Each that leaves moves all behind it: they are told so now and then, and not each time. */
  #tellSoon(): void {
    if (this.#concurrency.queued + this.#places.waiting + this.#threadPlaces.waiting === 0) return;
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.#tellPositions();
    }, this.#limits.queuePositionIntervalMs);
  }

  #tellPositions(): void {
    for (const queue of this.#concurrency.queues()) {
      let position = 0;
      for (const { run } of queue) run.movedInQueue(++position);
    }
    this.#places.tellPositions();
    this.#threadPlaces.tellPositions();
  }

  close(): void {
    clearTimeout(this.#telling);
  }
}

/** Of another owner's run nothing is ever shown; and nobody gets the result of what he did not ask for. */
function mayJoin(first: Member, member: Member): boolean {
  return (
    first.run.identity.owner === member.run.identity.owner &&
    !first.run.isAborted &&
    first.run.outcome === undefined &&
    // Each has a standard input of its own, and one of them would be lost.
    first.run.input === undefined &&
    member.run.input === undefined &&
    isDeepStrictEqual(first.args, member.args)
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

/** Says nothing of who runs: that is not for this caller to know. */
function fullKey({ limit, whenFull }: CommandConcurrency, maxQueued: number): IscepError {
  const atOnce = `this command runs at most ${limit} at once`;
  const queue = whenFull === "reject" ? "does not queue" : `lets at most ${maxQueued} wait`;
  return new IscepError("busy", `${atOnce} and ${queue}; try again later`);
}

function fullServer(waiting: number, taken?: number): IscepError {
  const underWay = taken === undefined ? "" : `${taken} runs are under way and `;
  return new IscepError("busy", `the server is full: ${underWay}${waiting} wait; try again later`);
}
