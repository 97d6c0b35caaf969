import type { Command } from "../../model/command.js";
import { Registry } from "../../commands/registry.js";
import type { Server } from "../../server/server.js";

/** Holds the commands from the files of `iscep serve`, so that they can be replaced. */
export class ServedCommands {
  readonly #server: Pick<Server, "register" | "unregister">;
  #commands: readonly Command[];

  constructor(server: Pick<Server, "register" | "unregister">, commands: readonly Command[]) {
    this.#server = server;
    this.#commands = commands;
  }

  /**
   * Replaces the commands in one turn, so that no caller sees a part of the change. Runs go on.
   * @throws IscepError `usage` for a name that is there twice
   */
  replace(commands: readonly Command[]): void {
    const next = new Registry(commands).list();
    for (const command of this.#commands) if (!next.includes(command)) this.#server.unregister(command.name);
    for (const command of next) if (!this.#commands.includes(command)) this.#server.register(command);
    this.#commands = next;
  }
}
