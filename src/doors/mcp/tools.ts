/** Makes tools of the commands that a server tells. */
import type { Tool } from "@modelcontextprotocol/server";
import type { CommandDescription, JsonSchema } from "../../model/command.js";
import { isJsonObject } from "../../wire/json.js";
import { modelLine, modelText } from "./model-text.js";
import { ownToolNames } from "./own-tools.js";
import { commandsOfTools } from "./tool-names.js";

/** The commands for models, by the names of their tools, in the order of these names. */
export function toolsOf(descriptions: readonly CommandDescription[]): Map<string, CommandDescription> {
  const offered = new Map(
    descriptions
      .filter(({ hiddenFrom }) => hiddenFrom?.includes("mcp") !== true)
      .map((description) => [description.name, description]),
  );
  const commands = [...commandsOfTools([...offered.keys()], ownToolNames)];
  return new Map(
    commands
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .flatMap(([tool, command]) => {
        const description = offered.get(command);
        return description === undefined ? [] : [[tool, description]];
      }),
  );
}

export function toolOf(name: string, description: CommandDescription): Tool {
  const { readOnly = false, idempotent = false } = description;
  const title = modelLine(description.name);
  return {
    name,
    title,
    description: toolText(description),
    inputSchema: { ...visibleSchema(description.args), type: "object" },
    // Clients assume the worst of a missing hint. `openWorldHint` tells the worst, as nobody has said whether a command
    // reaches into the world outside.
    annotations: {
      title,
      readOnlyHint: readOnly,
      destructiveHint: !readOnly,
      idempotentHint: readOnly || idempotent,
      openWorldHint: true,
    },
  };
}

function toolText({ name, description, confirm, stdin }: CommandDescription): string {
  const text = description.trim() === "" ? `Runs the command ${modelLine(name)}.` : modelText(description);
  return [
    text,
    ...(confirm === undefined ? [] : ["A person is asked before it runs."]),
    ...(stdin === true ? ["Its standard input is empty when it is called as a tool."] : []),
  ].join("\n\n");
}

/** Values in these are data, and not words for a reader. */
const dataKeywords = new Set(["enum", "const", "default", "examples", "pattern"]);
const wordKeywords = new Set(["title", "description", "$comment"]);
/** The members of these are schemas by names that the author chose, which may be the same as keywords. */
const namedSchemas = new Set(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"]);

/** The same schema, with every character of its words visible to a reader. */
function visibleSchema(schema: JsonSchema): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => {
      if (wordKeywords.has(keyword) && typeof value === "string") return [keyword, modelText(value)];
      if (namedSchemas.has(keyword) && isJsonObject(value)) {
        const named = Object.entries(value).map(([name, member]) => [name, visibleMember(member)]);
        return [keyword, Object.fromEntries(named)];
      }
      return [keyword, dataKeywords.has(keyword) ? value : visibleMember(value)];
    }),
  );
}

function visibleMember(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(visibleMember);
  return isJsonObject(value) ? visibleSchema(value) : value;
}
