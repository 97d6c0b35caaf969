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
const longestArguments = 2_000;

/**
 * undefined when the command may run now.
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
  return inputRequired({
    inputRequests: {
      [key]: inputRequired.elicit({
        message: `${sentence}\n\nRun "${name}" with ${shownArguments(description, args)}?`,
        // Only the buttons count, so there is nothing to fill in.
        requestedSchema: { type: "object", properties: {} },
      }),
    },
  });
}

/** Without a mode, forms are meant. */
function canAsk(capabilities: unknown): boolean {
  const elicitation = isJsonObject(capabilities) ? capabilities["elicitation"] : undefined;
  return isJsonObject(elicitation) && ("form" in elicitation || !("url" in elicitation));
}

/** The person decides about these. Secrets are not theirs to see here. */
function shownArguments({ args: schema }: CommandDescription, args: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(args);
  if (entries.length === 0) return "no arguments";
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const shown = Object.fromEntries(
    entries.map(([name, value]) => {
      const property = properties[name];
      return [name, isJsonObject(property) && property["writeOnly"] === true ? "***" : value];
    }),
  );
  const words = JSON.stringify(shown);
  return modelText(words.length > longestArguments ? `${words.slice(0, longestArguments)}…` : words);
}
