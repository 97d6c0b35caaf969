/** All ways into one server, opened, drained and closed together. */
import { IscepError, textOfThrown } from "../errors.js";
import type { Door, DoorServer } from "../doors/door.js";
import { settled } from "./settled.js";

const leastCloseMs = 1_000;

export class OpenedDoors {
  readonly urls: readonly string[];
  readonly #doors: readonly Pick<Door, "drain" | "close">[];
  readonly #faults: IscepError[] = [];
  #drained: Promise<unknown> = Promise.resolve();

  private constructor(doors: readonly Pick<Door, "drain" | "close">[], urls: readonly string[]) {
    this.#doors = doors;
    this.urls = urls;
  }

  /** `first` is open already. @throws whatever a door throws; then all of them are closed. */
  static async open(
    first: Pick<Door, "drain" | "close">,
    doors: readonly Door[],
    server: DoorServer,
  ): Promise<OpenedDoors> {
    const begun = [first];
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

  /** From now on nobody new is let in. */
  drain(): void {
    this.#drained = this.#each("drained", (door) => door.drain());
  }

  /** Waits for the last answers, cuts whoever does not take them in time, and waits for no door longer than `leftMs`. */
  async close(drainTimeoutMs: number, leftMs: () => number): Promise<void> {
    await settled(this.#drained, drainTimeoutMs);
    // What is our own is closed in a moment, and one of a user gets one at least.
    const closed = this.#each("closed", (door) => door.close());
    if (await settled(closed, Math.max(leftMs(), leastCloseMs))) return;
    this.#faults.push(new IscepError("internal", "a door did not close in time"));
  }

  /** What went wrong at any of them, so that the rest of the server could be closed first. */
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
