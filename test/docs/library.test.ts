import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { keysOfArgument } from "#iscep/commands/arguments/declaration-table";
import { stringFormats } from "#iscep/commands/arguments/declaration";

const text = readFileSync("docs/LIBRARY.md", "utf8");

/** First cells of the rows of the first table behind the first mention of `name`, or below a heading. */
function rowsBehind(name: string): string[] {
  const table = /(?:^\|.*\n)+/m.exec(text.slice(text.indexOf(name)))?.[0] ?? "";
  return [...table.matchAll(/^\| `(\w+)(?:\(.*?\))?` \|/gm)].map(([, cell = ""]) => cell);
}

function membersOf(file: string, name: string): string[] {
  const body = new RegExp(`^export interface ${name}\\b[^]*?\\{\\n([^]*?)^\\}`, "m").exec(
    readFileSync(file, "utf8"),
  )?.[1];
  const members = [...(body ?? "").matchAll(/^ {2}(?:readonly )?(\w+)\??[:(<]/gm)].map(([, member = ""]) => member);
  expect(members.length).toBeGreaterThan(1);
  return members;
}

/** Behind each name the interfaces that it consists of. */
test.each<[string, [file: string, name: string][]]>([
  ["ServerOptions", [["src/server/options.ts", "ServerOptions"]]],
  ["ConnectOptions", [["src/client/protocol/options.ts", "ConnectOptions"]]],
  ["Client", [["src/client/client.ts", "Client"]]],
  ["CallOptions", [["src/client/protocol/options.ts", "CallOptions"]]],
  ["RunOptions", [["src/client/protocol/options.ts", "RunOptions"]]],
  ["AttachOptions", [["src/client/protocol/options.ts", "AttachOptions"]]],
  ["RunsOptions", [["src/client/protocol/options.ts", "RunsOptions"]]],
  ["RunHandle", [["src/client/protocol/run-handle.ts", "RunHandle"]]],
  ["Door", [["src/doors/door.ts", "Door"]]],
  ["DoorServer", [["src/doors/door.ts", "DoorServer"]]],
  [
    "CommandDefinition",
    [
      ["src/commands/define.ts", "CommandDefinition"],
      ["src/commands/flags.ts", "FlagsDefinition"],
    ],
  ],
  [
    "ScriptDefinition",
    [
      ["src/commands/define-script.ts", "ScriptDefinition"],
      ["src/commands/script/process.ts", "ProcessDefinition"],
      ["src/commands/script/results.ts", "ResultsDefinition"],
      ["src/commands/flags.ts", "FlagsDefinition"],
    ],
  ],
])("LIBRARY.md has each member of %s, and no other", (name, interfaces) => {
  const members = interfaces.flatMap(([file, part]) => membersOf(file, part));
  expect(rowsBehind(`\`${name}\``).toSorted()).toEqual(members.toSorted());
});

test("LIBRARY.md has each type of arguments, with all that may be said of it, and each format", () => {
  const section = text.slice(text.indexOf("## Types of arguments"), text.indexOf("## defineCommand"));
  expect(rowsBehind("## Types of arguments").toSorted()).toEqual(Object.keys(keysOfArgument).toSorted());
  for (const [type, keys] of Object.entries(keysOfArgument)) {
    const row = section.split("\n").find((line) => line.startsWith(`| \`${type}\` |`)) ?? "";
    const everywhere = ["type", "description", "default", "optional"];
    expect(keys.filter((key) => !everywhere.includes(key) && !row.includes(`\`${key}\``))).toEqual([]);
  }
  expect(stringFormats.filter((format) => !section.includes(`\`${format}\``))).toEqual([]);
});
