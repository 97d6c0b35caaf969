/**
 * Makes what discovery shows: the commands that a caller may run, in pages, with the present values, as far as the
 * caller's token allows them.
 */
import { describeCommand } from "../commands/describe.js";
import type { Registry } from "../commands/registry.js";
import { IscepError } from "../errors.js";
import { narrowedDescription } from "../identity/argument-rules.js";
import type { Command, CommandDescription } from "../model/command.js";
import type { Identity } from "../model/identity.js";
import { listPage, type ListPage, type PageRoom } from "../session/list-page.js";
import type { Choices } from "./choices.js";

export class Listing {
  readonly #registry: Registry;
  readonly #choices: Choices;
  readonly #runTimeoutMs: number;

  constructor(registry: Registry, choices: Choices, { runTimeoutMs }: { readonly runTimeoutMs: number }) {
    this.#registry = registry;
    this.#choices = choices;
    this.#runTimeoutMs = runTimeoutMs;
  }

  /** @throws IscepError `unauthorized` when this identity may not ask */
  commands(identity: Identity): Command[] {
    return [...this.#commandsBehind(identity, undefined)];
  }

  /**
   * A page behind the command `after`. It is a promise when other commands must be asked for values first.
   * @throws IscepError as `commands`
   */
  page(
    identity: Identity,
    after: string | undefined,
    room: PageRoom,
  ): ListPage<CommandDescription> | Promise<ListPage<CommandDescription>> {
    const page = listPage(this.#descriptions(identity, after), room);
    // With the values and their descriptions, the commands may be too many for one page.
    const finish = (commands: readonly CommandDescription[]): ListPage<CommandDescription> => ({
      ...page,
      ...listPage(narrowed(commands, identity), room),
    });
    const described = this.#choices.describe(page.commands, (name) => this.#registry.get(name)?.choicesFrom);
    return described instanceof Promise ? described.then(finish) : finish(page.commands);
  }

  *#descriptions(identity: Identity, after: string | undefined): Generator<CommandDescription> {
    for (const command of this.#commandsBehind(identity, after)) yield describeCommand(command, this.#runTimeoutMs);
  }

  *#commandsBehind(identity: Identity, after: string | undefined): Generator<Command> {
    if (!identity.mayDiscover) throw new IscepError("unauthorized", "this token may run commands, and not list them");
    for (const command of this.#registry.sorted(after)) if (identity.mayRun(command.name)) yield command;
  }
}

function narrowed(descriptions: readonly CommandDescription[], identity: Identity): CommandDescription[] {
  return descriptions.map((description) => {
    const rules = identity.argumentRules(description.name);
    return rules === undefined ? description : narrowedDescription(description, rules);
  });
}
