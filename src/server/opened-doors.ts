/** Opens, drains and closes all ways into one server together. */
import { isDoneWithin } from "../waiting/within.js";
import { IscepError, textOfThrown } from "../errors.js";
import type { Door, DoorServer } from "../doors/door.js";

const leastCloseMs = 1_000;

export class OpenedDoors {
  readonly urls: readonly string[];
  readonly #doors: readonly Pick<Door, "drain" | "close" | "unready">[];
  readonly #faults: IscepError[] = [];
  #drained: Promise<unknown> = Promise.resolve();

  private constructor(doors: readonly Pick<Door, "drain" | "close" | "unready">[], urls: readonly string[]) {
    this.#doors = doors;
    this.urls = urls;
  }

  /**
   * @param first a door that is already open
   * @throws the error of a door; then all of them are closed
   */
  static async open(
    first: Pick<Door, "drain" | "close">,
    doors: readonly Door[],
    server: DoorServer,
  ): Promise<OpenedDoors> {
    const begun: Pick<Door, "drain" | "close" | "unready">[] = [first];
    const urls: string[] = [];
    try {
      for (const door of doors) {
        begun.push(door);
        urls.push((await door.open(server)).url);
      }
    } catch (error) {
      await Promise.allSettled(begun.map((door) => door.close()));
      throw error;
    }
    return new OpenedDoors(begun, urls);
  }

  /** Why callers of a door do not get through now. */
  unready(): string | undefined {
    for (const door of this.#doors) {
      const reason = door.unready?.();
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** From now on no new caller is accepted. */
  drain(): void {
    this.#drained = this.#each("drained", (door) => door.drain());
  }

  /**
   * Waits for the last answers, and cuts callers that do not take them in time. It waits for no door longer than
   * `leftMs`.
   */
  async close(drainTimeoutMs: number, leftMs: () => number): Promise<void> {
    await isDoneWithin(this.#drained, drainTimeoutMs);
    // Our own doors close in a moment. A door of a user gets at least one.
    const closed = this.#each("closed", (door) => door.close());
    if (await isDoneWithin(closed, Math.max(leftMs(), leastCloseMs))) return;
    this.#faults.push(new IscepError("internal", "a door did not close in time"));
  }

  /** The faults of the doors, which are kept so that the rest of the server is closed first. */
  get fault(): IscepError | undefined {
    return this.#faults[0];
  }

  async #each(what: string, step: (door: Pick<Door, "drain" | "close">) => Promise<void>): Promise<void> {
    await Promise.all(
      this.#doors.map(async (door) => {
        try {
          await step(door);
        } catch (thrown) {
          const reason = `a door could not be ${what}: ${textOfThrown(thrown)}`;
          this.#faults.push(new IscepError("internal", reason, { cause: thrown }));
        }
      }),
    );
  }
}
