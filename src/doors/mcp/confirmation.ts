/** Asks the person behind a client before a command with `confirm` runs. */
import {
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  inputResponse,
  type CallToolResult,
  type ClientCapabilities,
  type InputRequiredResult,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { confirmationSentence } from "../../model/command-flags.js";
import type { CommandDescription } from "../../model/command.js";
import { isJsonObject } from "../../wire/json.js";
import { modelLine, modelText } from "./model-text.js";
import { textResult } from "./results.js";

const key = "confirm";
const longestValue = 200;
const longestArguments = 4_000;

/**
 * Returns undefined when the command may run now.
 * @param declared what a client of 2025 said when its connection began
 */
export function unconfirmed(
  description: CommandDescription,
  args: Readonly<Record<string, unknown>>,
  context: ServerContext,
  declared: ClientCapabilities | undefined,
): CallToolResult | InputRequiredResult | undefined {
  if (description.confirm === undefined) return undefined;
  const name = modelLine(description.name);
  const answer = inputResponse(context.mcpReq.inputResponses, key);
  if (answer.kind === "elicit") {
    if (answer.action === "accept") return undefined;
    const refusal =
      answer.action === "decline"
        ? `The person said no, so "${name}" did not run. Do not call it again unless they ask for it.`
        : `The person was asked and did not answer, so "${name}" did not run. Ask them what they want before you call it again.`;
    return { ...textResult(refusal), isError: true };
  }
  const sentence = modelText(confirmationSentence(description));
  const envelope: unknown = context.mcpReq.envelope;
  const ofRequest = isJsonObject(envelope) ? envelope[CLIENT_CAPABILITIES_META_KEY] : undefined;
  if (!canAsk(ofRequest ?? declared)) {
    const refusal = `"${name}" did not run: a person must confirm it, and this client cannot ask one. ${sentence} Tell the person to run it themselves: iscep call ${name}. Or they use a client that supports elicitation, or start \`iscep mcp --yes\` if their client asks them before each call by itself.`;
    return { ...textResult(refusal), isError: true };
  }
  const shown = shownArguments(description, args);
  if (shown === undefined) {
    const refusal = `"${name}" did not run: a person must confirm it, and its arguments are too many to be shown to them. Tell the person to run it themselves: iscep call ${name}.`;
    return { ...textResult(refusal), isError: true };
  }
  return inputRequired({
    inputRequests: {
      [key]: inputRequired.elicit({
        message: `${sentence}\n\nRun "${name}"${shown === "" ? "?" : ` with these arguments?\n\n${shown}`}`,
        // Only the buttons count, so there is nothing to fill in.
        requestedSchema: { type: "object", properties: {} },
      }),
    },
  });
}

/** A client that names no mode means forms. */
function canAsk(capabilities: unknown): boolean {
  const elicitation = isJsonObject(capabilities) ? capabilities["elicitation"] : undefined;
  return isJsonObject(elicitation) && ("form" in elicitation || !("url" in elicitation));
}

/**
 * The person decides about these, so each name is shown with the beginning of its value, in the order of the author.
 * Secrets are not theirs to see here. undefined when there are so many that nobody would read them.
 */
function shownArguments(
  { args: schema }: CommandDescription,
  args: Readonly<Record<string, unknown>>,
): string | undefined {
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const names = [...Object.keys(properties), ...Object.keys(args)].filter(
    (name, index, all) => Object.hasOwn(args, name) && all.indexOf(name) === index,
  );
  const lines = names.map((name) => {
    const property = properties[name];
    const isSecret = isJsonObject(property) && property["writeOnly"] === true;
    return `${modelLine(name)}: ${isSecret ? "***" : shownValue(args[name])}`;
  });
  const words = lines.join("\n");
  return words.length > longestArguments ? undefined : words;
}

function shownValue(value: unknown): string {
  const words = modelLine(JSON.stringify(value));
  const left = words.length - longestValue;
  return left > 0 ? `${words.slice(0, longestValue)} … and ${left} more characters` : words;
}
