import { IscepError } from "../errors.js";
import { isCommand } from "./brand.js";
import { circleOf, circleSentence } from "./choices-circle.js";
import type { Command, CommandSet } from "../model/command.js";

/** The commands of one server, by name. */
export class Registry {
  readonly #commands = new Map<string, Command>();
  readonly #listeners = new Set<() => void>();
  #sorted: readonly Command[] | undefined;

  /**
   * @throws IscepError `usage` when two commands have the same name, commands give each other choices, or something is
   *   not a command
   */
  constructor(commands: CommandSet) {
    for (const command of Object.values(commands)) this.register(command);
  }

  /** @throws IscepError `usage` */
  register(command: Command): void {
    if (!isCommand(command))
      throw new IscepError("usage", "only what defineCommand or defineScript made can be registered");
    if (this.#commands.has(command.name)) {
      throw new IscepError(
        "usage",
        `there are two commands named "${command.name}"; unregister the first, or rename one`,
      );
    }
    const circle = circleOf(command, (name) => this.#commands.get(name));
    if (circle !== undefined) throw new IscepError("usage", circleSentence(circle));
    this.#commands.set(command.name, command);
    this.#changed();
  }

  unregister(name: string): boolean {
    const was = this.#commands.delete(name);
    if (was) this.#changed();
    return was;
  }

  /** Returns a function that ends the listening. */
  whenChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    this.#sorted = undefined;
    for (const listener of this.#listeners) listener();
  }

  get(name: string): Command | undefined {
    return this.#commands.get(name);
  }

  list(): Command[] {
    return [...this.#commands.values()];
  }

  /** The commands in the order of their names. @param after only commands behind this name */
  *sorted(after?: string): Generator<Command> {
    this.#sorted ??= this.list().sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const command of this.#sorted) if (after === undefined || command.name > after) yield command;
  }
}
