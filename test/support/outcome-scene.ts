/** Plays examples of how a run ends, and writes down what all tell of it. */
import type { Client } from "iscep";
import { doors, endings, followers, one, sureFollowers, type Example } from "./endings.js";
import { places, type Gates, type Stage } from "./outcome-stage.js";
import { processOf, toldOfRecord, type Made, type Teller, type Told } from "./told.js";
import { until } from "./until.js";

export interface Words {
  readonly door: string;
  readonly as: string;
  readonly told: Told;
}

/** A run of which tellers have told. */
export interface Seen {
  readonly example: Example;
  readonly mark: string;
  readonly run: string | undefined;
  readonly words: Words[];
}

export function nameOf({ door, ending, moment }: Example): string {
  return `called over ${door}, ended by ${ending}, a second teller comes ${moment}`;
}

/** Plays examples against one server, one behind the other. */
export class Scene {
  readonly #stage: Stage;
  readonly #gates: Gates;
  readonly #client: Client;
  readonly #prefix: string;
  #count = 0;

  constructor(stage: Stage, gates: Gates, client: Client, prefix = "m") {
    this.#stage = stage;
    this.#gates = gates;
    this.#client = client;
    this.#prefix = prefix;
  }

  mark(): string {
    return `${this.#prefix}${++this.#count}`;
  }

  teller(door: string): Required<Teller> {
    return this.#stage.tellers[door] as Required<Teller>;
  }

  /** The runs with this mark, the newest first. */
  async #listed(command: string, mark: string): Promise<string[]> {
    const { runs } = await this.#client.runs({ command, limit: 20 });
    return runs.flatMap((record) => (record.arguments?.["mark"] === mark ? [record.run] : []));
  }

  /** Resolves when the list has the run, or so many. */
  async found(command: string, mark: string, count = 1): Promise<string> {
    let found: string[] = [];
    await until(
      async () => (found = await this.#listed(command, mark)).length >= count,
      `the list does not have ${command} ${mark}`,
    );
    return found[0]!;
  }

  /** Resolves when these runs go on. Returns a function that lets them end. */
  async #held(command: string, count: number): Promise<() => Promise<void>> {
    const marks = Array.from({ length: count }, () => this.mark());
    const runs = marks.map((mark) => this.#client.run(command, { mark, pace: "held" }));
    for (const mark of marks) await this.#gates.has(mark, "begun");
    return async () => {
      for (const mark of marks) this.#gates.open(mark);
      await Promise.all(runs.map((run) => run.value));
    };
  }

  async play(example: Example): Promise<Seen> {
    const { door, moment, any } = example;
    const { command, args, by, expected } = endings[example.ending]!;
    const isRefused = typeof expected === "object" && expected.status === "rejected";
    const isTimed = command.startsWith("slow");
    const mark = this.mark();
    const given = { mark, pace: any % 2 === 0 ? "at once" : "later", ...args?.(example) };
    const isStaying = "how" in given && given.how === "stays";
    if (moment === "while it runs" && !isStaying) given.pace = "held";
    const release = await this.#held(
      isRefused ? "single" : "wait",
      isRefused ? 1 : moment === "before it begins" ? places : 0,
    );
    const made = this.teller(door).call(command, given);
    made.told.catch(() => {}); // this is awaited below
    const words: Words[] = [
      {
        door: "the table of endings",
        as: "expected",
        told: typeof expected === "function" ? expected(door) : expected,
      },
    ];
    const seen = { example, mark, words };
    const caller = async (): Promise<Told> => {
      const told = await made.told;
      words.push({ door, as: "caller", told });
      return told;
    };
    if (isRefused) {
      const { run } = await caller();
      await release();
      return { ...seen, run };
    }
    const isSeenRunning = moment === "before it begins" || moment === "while it runs";
    let run = isSeenRunning || by !== undefined ? await this.found(command, mark) : undefined;
    const following: Promise<Words>[] = [];
    const follow = async (from: readonly string[]): Promise<void> => {
      const follower = one(from, example.follower);
      const { told } = await this.teller(follower).follow(run!);
      following.push(told.then((each) => ({ door: follower, as: "follower", told: each })));
    };
    if (isSeenRunning) await follow(by === "leave" ? sureFollowers : followers);
    const isEarly = moment === "before it begins" && by === "cancel" && any % 2 === 0;
    if (isEarly) await this.teller(one(sureFollowers, any)).cancel(run!);
    await release();
    if (!isEarly && (by !== undefined || (moment === "while it runs" && !isTimed)))
      await this.#gates.has(mark, isStaying ? "ready" : "begun");
    const isTold = by !== "leave" || (await this.#left(made, run!));
    if (by === "leave") this.#gates.open(mark);
    else if (by === "cancel" && !isEarly) {
      await this.teller(one(sureFollowers, any)).cancel(run!);
      if (isStaying) {
        await this.#gates.has(mark, "stopping");
        await follow(sureFollowers);
      }
    } else if (by === "replace") await (await this.#held("replaced", 1))();
    else if (by === "join") words.push(await this.#joined(example, given));
    if (command !== "stubborn" && !isTimed) this.#gates.open(mark);
    const told = isTold ? await caller() : {};
    this.#gates.open(mark);
    words.push(...(await Promise.all(following)));
    run ??= told.run ?? (await this.#listed(command, mark))[0];
    if (moment !== "after a restart") words.push(...(await this.ask(example, run)));
    return { ...seen, run };
  }

  /** The caller leaves, or if its door has no word for that, stops the run. False: somebody else wants the run, so it goes on. */
  async #left({ leave, told }: Made, run: string): Promise<boolean> {
    if (leave === undefined) {
      await this.#client.cancel(run);
      return true;
    }
    leave();
    const { status, process } = await told;
    const { runs } = await this.#client.runs({ run });
    if (runs[0]?.status !== "running") return true;
    const isCancelled = status === "cancelled" || process === processOf({ status: "cancelled", code: "cancelled" });
    if (!isCancelled) throw new Error(`the caller who left was told ${String(status ?? process)}`);
    return false;
  }

  /** Another call with the same arguments shares the work, and has a run of its own. */
  async #joined(example: Example, given: { readonly mark: string }): Promise<Words> {
    // A session of version 1 has one call at a time.
    const door = one(
      doors.filter((each) => each !== "version 1"),
      example.any,
    );
    const made = this.teller(door).call("joined", given);
    await this.found("joined", given.mark, 2);
    this.#gates.open(given.mark);
    return { door, as: "caller that joined", told: await made.told };
  }

  /** What those tell who ask now. */
  async ask(example: Example, run: string | undefined): Promise<Words[]> {
    if (run === undefined) return [];
    const { runs } = await this.#client.runs({ run }).catch((error: unknown) => {
      throw new Error(`${nameOf(example)}: the run is not in the list`, { cause: error });
    });
    const told: Words[] = [{ door: "the list", as: "asked", told: toldOfRecord(runs[0]!) }];
    const known = followers.filter((door) => this.teller(door) !== undefined);
    for (const door of new Set(example.askers.map((any) => one(known, any))))
      told.push({ door, as: "asked", told: await this.teller(door).ask(run) });
    return told;
  }
}
