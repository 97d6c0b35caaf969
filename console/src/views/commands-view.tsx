/** All commands that this token may run, by their groups, with a search. */
import { useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import type { Command } from "../api/types.js";
import { fieldsOf } from "../forms/field.js";
import { BlankNote, LoadingRows } from "../parts/blank-note.js";
import { Heading } from "../parts/heading.js";
import { ProblemNote } from "../parts/problem-note.js";
import { SearchField } from "../parts/search-field.js";
import { commands, loadCommands } from "../state/commands.js";
import { useLoaded } from "../state/loaded.js";
import { go, pathOf } from "../state/route.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { countText } from "../words/time.js";

export function CommandsView(): JSX.Element {
  const [query, setQuery] = useState("");
  const list = useRef<HTMLDivElement>(null);
  const loaded = useLoaded("commands", loadCommands, 30_000);
  const all = loaded.value ?? commands.value;
  const found = all?.filter((command) => matches(command, query)) ?? [];

  const press = (event: KeyboardEvent): void => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp" && event.key !== "Enter") return;
    const links = [...(list.current?.querySelectorAll<HTMLElement>("a.command") ?? [])];
    const at = links.findIndex((link) => link === document.activeElement);
    if (event.key === "Enter") {
      const [first] = found;
      if (at === -1 && first !== undefined && query !== "") go(pathOf("commands", first.name));
      return;
    }
    event.preventDefault();
    const next = at + (event.key === "ArrowDown" ? 1 : -1);
    if (next >= 0) links[Math.min(next, links.length - 1)]?.focus();
    else document.querySelector<HTMLElement>("[data-search]")?.focus();
  };

  return (
    <div onKeyDown={press}>
      <Heading title="Commands">
        {all?.length !== 0 && (
          <SearchField
            label="Search commands"
            value={query}
            onInput={setQuery}
            note={query === "" || all === undefined ? "" : countText(found.length, "hit")}
          />
        )}
      </Heading>
      {loaded.problem !== undefined && all === undefined && (
        <ProblemNote problem={loaded.problem} onRetry={loaded.reload} />
      )}
      {all === undefined && loaded.problem === undefined && <LoadingRows />}
      {all?.length === 0 && (
        <BlankNote icon="commands" title="This token may run no command">
          <p>
            Its scopes name none of the commands of this server. <a href={pathOf("access")}>See what it may do</a>, and
            ask who runs the server for more.
          </p>
        </BlankNote>
      )}
      {all !== undefined && all.length > 0 && found.length === 0 && (
        <BlankNote icon="search" title={`No command matches “${visibleLine(query)}”`}>
          <p>The search looks at names, descriptions and arguments.</p>
        </BlankNote>
      )}
      <div ref={list} class="groups">
        {groupsOf(found).map(([group, members]) => (
          <section key={group} aria-label={group === "" ? "Commands" : visibleLine(group)}>
            {group !== "" && <h2 class="group-title">{visibleLine(group)}</h2>}
            <ul class="commands">
              {members.map((command) => (
                <li key={command.name}>
                  <CommandRow command={command} />
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </div>
  );
}

function CommandRow({ command }: { readonly command: Command }): JSX.Element {
  const fields = fieldsOf(command.args);
  return (
    <a class="command" href={pathOf("commands", command.name)}>
      <span class="command-name">{visibleLine(command.name)}</span>
      <span class="command-words">{visibleLine(command.description)}</span>
      <span class="command-facts">
        {fields.slice(0, 4).map(({ name, isRequired }) => (
          <span key={name} class={isRequired ? "argument" : "argument is-optional"}>
            {visibleLine(name)}
          </span>
        ))}
        {fields.length > 4 && <span class="argument is-optional">+{fields.length - 4}</span>}
        {command.mustConfirm && <span class="tag is-warning">asks first</span>}
        {command.isReadOnly && <span class="tag">reads only</span>}
      </span>
    </a>
  );
}

function matches({ name, description, args }: Command, query: string): boolean {
  const text = [name, description, ...fieldsOf(args).map((field) => field.name)].join(" ").toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** Commands without a group come first. */
function groupsOf(list: readonly Command[]): (readonly [group: string, members: readonly Command[]])[] {
  const groups = new Map<string, Command[]>();
  for (const command of list) groups.set(command.group, [...(groups.get(command.group) ?? []), command]);
  return [...groups].toSorted(([one], [other]) => one.localeCompare(other));
}
