/** A command with `confirm` runs only after a person, or `--yes`, has said so. */
import { IscepError } from "../../errors.js";
import { confirmationSentence } from "../../model/command-flags.js";
import type { CommandDescription } from "../../model/command.js";
import { askWhether, mayAsk } from "../terminal/question.js";
import { withHint } from "../terminal/report.js";

/**
 * @param description undefined when the server does not tell this caller about its commands, nor whether to ask
 * @throws IscepError `usage` without a terminal, `cancelled` when the answer is no
 */
export async function confirm(description: CommandDescription | undefined, signal: AbortSignal): Promise<void> {
  if (description?.confirm === undefined) return;
  const { name } = description;
  if (!mayAsk()) {
    throw withHint(
      new IscepError("usage", `the command "${name}" wants to be confirmed, and there is no terminal to ask on`),
      `${confirmationSentence(description)} If this is meant, give --yes: iscep call --yes ${name}`,
    );
  }
  const refusal = `"${name}" was not confirmed, and did not run`;
  if (!(await askWhether(`${confirmationSentence(description)} Go on?`, refusal, signal)))
    throw new IscepError("cancelled", refusal);
}
