import { Option, type Command } from "commander";
import type { Client } from "../../client/client.js";
import { IscepError } from "../../errors.js";
import { defaultLimits } from "../../limits/limits.js";
import { runStatuses, type RunRecord } from "../../model/run-record.js";
import { didYouMean } from "../../text/near-name.js";
import { addClientOptions, openClient, timeoutOf, type ClientOptions } from "../calling/client-options.js";
import { watchRun } from "../calling/watch-run.js";
import { interruptible } from "../terminal/interrupt.js";
import { summarise, type DefineVerb, type Invocation } from "../terminal/invocation.js";
import { nonEmpty, pastTimeMs, wholeNumber } from "../arguments/option-values.js";
import { listRuns, runRecord } from "../calling/run-list.js";
import { runTable, runText } from "../calling/run-table.js";
import { note, print, styled, warn } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";

interface ListOptions extends ClientOptions {
  readonly limit?: number;
  readonly all?: boolean;
  readonly command?: string;
  readonly status?: RunRecord["status"];
  readonly owner?: string;
  readonly since?: number;
}

interface AttachOptions extends ClientOptions {
  readonly offset: number;
  readonly raw?: boolean;
}

const explanation = `
Without a verb, it lists the runs of this caller that the server knows, the newest first.`;

export const define: DefineVerb = (command, invocation) => {
  const work = (options: ClientOptions, use: (client: Client, signal: AbortSignal) => Promise<void>): Promise<void> => {
    invocation.json = options.json === true;
    return interruptible(invocation, async (signal) => {
      await using client = await openClient(options, signal);
      await use(client, signal);
    });
  };

  addClientOptions(command)
    .usage("[VERB] [options]")
    .enablePositionalOptions()
    .helpCommand(false)
    .commandsGroup("Verbs:")
    .argument("[words...]")
    .option("--limit <number>", "list at most this many", wholeNumber(1, 1_000_000))
    .option("--all", "runs of all owners, as far as the token may see them (scope runs:all)")
    .option("--command <name>", "only runs of this command", nonEmpty)
    .addOption(new Option("--status <status>", "only runs that are running, or that ended so").choices(runStatuses))
    .option("--owner <name>", "only runs of this owner; schedule has those that were planned", nonEmpty)
    .option("--since <time>", "only runs that started then or later: 2h ago, or 2026-11-28", pastTimeMs)
    .addHelpText("after", explanation)
    .action(async ([word]: readonly string[], options: ListOptions) => {
      if (word !== undefined) throw unknownVerb(word, command);
      await work(options, (client, signal) => printList(client, options, signal));
    });

  subVerb(command, "show", "show what is known about a run").action(async (run: string, _: unknown, self: Command) => {
    const options: ClientOptions = self.optsWithGlobals();
    await work(options, async (client, signal) => {
      const record = await runRecord(client, run, signal);
      await print(options.json === true ? `${JSON.stringify(record)}\n` : runText(record, Date.now()));
    });
  });

  subVerb(command, "attach", "show the output of a run from its beginning, and follow it to its end")
    .option("--offset <bytes>", "begin after this many bytes of output", wholeNumber(0, Number.MAX_SAFE_INTEGER), 0)
    .option("--raw", "do not change control characters in the output on a terminal")
    .addHelpText(
      "after",
      "\nThe exit code is that of the run. Ctrl-C ends only the watching; `iscep runs cancel` ends the run.",
    )
    .action(async (run: string, _: unknown, self: Command) => {
      const options: AttachOptions = self.optsWithGlobals();
      await work(options, (client, signal) => attach(client, run, options, invocation, signal));
    });

  subVerb(command, "cancel", "ask a run to stop").action(async (run: string, _: unknown, self: Command) => {
    const options: ClientOptions = self.optsWithGlobals();
    await work(options, async (client, signal) => {
      const { runs } = await client.runs({ run, signal });
      await client.cancel(run, { signal });
      const ended = runs.find((record) => record.run === run && record.status !== "running");
      if (options.json === true) await print(`${JSON.stringify({ run })}\n`);
      else if (ended !== undefined) await note(`the run had ended already: ${ended.status}`);
      else await note(`asked the run to stop; \`iscep runs show ${run}\` tells how it ends`);
    });
  });
};

function subVerb(command: Command, name: string, summary: string): Command {
  return addClientOptions(summarise(command.command(name), summary)).argument("<run>", "id of the run");
}

function unknownVerb(word: string, command: Command): IscepError {
  const names = command.commands.map((sub) => sub.name());
  return new IscepError("usage", `unknown verb "${word}"${didYouMean(word, names)}`);
}

async function printList(client: Client, options: ListOptions, signal: AbortSignal): Promise<void> {
  const { limit = Number.POSITIVE_INFINITY, all, command, status, owner, since } = options;
  const { runs, missing } = await listRuns(client, limit, {
    signal,
    ...(all === undefined ? {} : { all }),
    ...(command === undefined ? {} : { command }),
    ...(status === undefined ? {} : { status }),
    ...(owner === undefined ? {} : { owner }),
    ...(since === undefined ? {} : { sinceMs: since }),
  });
  if (missing.length > 0)
    await warn(
      `${missing.join(", ")} did not answer, and runs there are missing; \`iscep instances\` shows what is there`,
    );
  const isFiltered = [command, status, owner, since].some((filter) => filter !== undefined);
  if (options.json === true) {
    await print(`${JSON.stringify(runs)}\n`);
  } else if (runs.length === 0) {
    await note(
      `the server knows of no ${isFiltered ? "such run" : "run"}${all === true ? " that this caller may see" : " of this caller"}`,
    );
  } else {
    const [header = "", ...lines] = runTable(runs, Date.now(), all === true || owner !== undefined);
    await print(`${[styled(surroundings().stdout, "bold", header), ...lines].join("\n")}\n`);
  }
}

async function attach(
  client: Client,
  id: string,
  options: AttachOptions,
  invocation: Invocation,
  signal: AbortSignal,
): Promise<void> {
  const run = client.attach(id, { offset: options.offset, timeoutMs: defaultLimits.followTimeoutMs });
  invocation.exitCode = await watchRun(run, id, { ...options, timeoutMs: timeoutOf(options) }, signal);
}
