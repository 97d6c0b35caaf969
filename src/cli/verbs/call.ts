import { Command } from "commander";
import type { Client } from "../../client/client.js";
import type { CommandDescription } from "../../model/command.js";
import { IscepError, isIscepError, type ErrorCode } from "../../errors.js";
import { parametersOf } from "../arguments/types.js";
import { commandHelp } from "../arguments/table.js";
import { canonicalName, parseArguments, separateOwnOptions, type OwnOptions } from "../arguments/call-arguments.js";
import { addClientOptions, openClient, timeoutOf, type ClientOptions } from "../calling/client-options.js";
import { interruptible } from "../terminal/interrupt.js";
import type { DefineVerb, Invocation } from "../terminal/invocation.js";
import { readJsonSource } from "../arguments/json-source.js";
import { nearName } from "../../text/near-name.js";
import { nonEmpty } from "../arguments/option-values.js";
import { mayNotList, withHint } from "../terminal/report.js";
import { takeSecrets } from "../arguments/secret-arguments.js";
import { mayAsk } from "../terminal/question.js";
import { confirm } from "../calling/confirmation.js";
import { checkStandardInput, mayBeSent } from "../calling/standard-input.js";
import { checkOmitted, earlierCall, keptArguments } from "../calling/earlier-call.js";
import { callAll } from "../calling/call-all.js";
import { startRun } from "../calling/start-run.js";
import { submitRun } from "../calling/submit-run.js";
import { note, print } from "../terminal/streams.js";

interface CallOptions extends ClientOptions {
  readonly args?: string;
  readonly raw?: boolean;
  readonly stdin?: boolean;
  readonly detach?: boolean;
  /** The call waits in the queue of a broker. */
  readonly durable?: boolean;
  readonly idempotencyKey?: string;
  readonly keepRunning?: boolean;
  /** The call goes to every instance of a service. */
  readonly all?: boolean;
  /** The call goes to this instance of a service. */
  readonly to?: string;
  /** The answer for a command that wants to be confirmed. */
  readonly yes?: boolean;
  /** COMMAND is the id of a run. */
  readonly again?: boolean;
  /** --help behind COMMAND. In front of COMMAND, --help is the help of `call`. */
  readonly help?: boolean;
}

const explanation = `
Write an argument as --NAME VALUE or --NAME=VALUE, and a flag as --NAME or --no-NAME. Repeat it for a list. The server
knows the types. Options of iscep come before COMMAND. They may also come after it, if the command has no argument of
that name. Behind a single --, everything belongs to the command.
\`iscep call COMMAND --help\` shows the arguments of that command.

Output is shown as it comes, on the same streams as in the command, and then the value of a function. The exit code
is the command's own. Ctrl-C cancels the run and waits for its end; a second one exits at once. When the reader of
the output goes away, as head does, the run is cancelled too, and the exit code is 141.

\`iscep call --again RUN --world end\` runs an earlier run once more, here with another world. Its arguments were kept if
its command has log_args: true. Secrets are never kept, so they are asked for again.

A pipe or file as standard input is sent to a command that takes it (stdin: true in its definition): iscep call restore
< dump.sql. For any other command nothing is read, so a loop or a script keeps its own standard input.

With --all, each line of output has the instance's name in front, and the exit code is 0 only if all completed. An instance
that says nothing is in the table as lost or timeout.

With --durable, the call waits at the broker (which needs JetStream) also while no instance is there, and goes on without
you: Ctrl-C ends only the watching. --detach prints the id of the run as soon as the broker has the call, and \`iscep runs
attach RUN\` follows it. --timeout bounds the run, and not the time that it waits.

A command with \`confirm\` in its definition asks on the terminal before it runs. Without a terminal it is refused, unless
--yes says that it is meant.`;

export const define: DefineVerb = (command, invocation) => {
  addCallOptions(command)
    .usage("[options] COMMAND [--ARGUMENT VALUE …]")
    .argument("<command>", "name of the command")
    .argument("[arguments...]", "its arguments")
    .passThroughOptions()
    .addHelpText("after", explanation)
    .action(async (name: string, words: readonly string[], options: CallOptions) => {
      await interruptible(invocation, (signal) => callCommand({ name, words, options, invocation, signal }));
    });
};

function addCallOptions(command: Command): Command {
  return addClientOptions(command)
    .option("--args <json>", "all arguments as one JSON object: JSON, @FILE, or - for standard input", nonEmpty)
    .option("--raw", "do not change control characters in the output on a terminal")
    .option("--stdin", "send standard input to the command, even from a terminal")
    .option("--no-stdin", "send no standard input, not even from a pipe or file")
    .option("--again", "run an earlier run once more: COMMAND is its id, and arguments behind it replace its own")
    .option("--detach", "print the id of the run, and do not wait for it; see `iscep runs`")
    .option("--durable", "let the call wait in the queue of a broker (nats://) until an instance takes it")
    .option("--to <instance>", "call this instance of a service (nats://); see `iscep instances`", nonEmpty)
    .option("--all", "call all instances of a service (nats://), and print a table of their outcomes")
    .option("--yes", "do not ask before a command that wants to be confirmed")
    .option("--keep-running", "let the run go on when nobody reads its output any more")
    .option("--idempotency-key <key>", "join the run that an earlier call with this key has started", nonEmpty);
}

const unknownNow =
  "no instance is there to say what types the arguments have, and whether to confirm; they are sent as texts, or as --args says";

interface Call {
  readonly name: string;
  readonly words: readonly string[];
  /** The options in front of COMMAND. */
  readonly options: CallOptions;
  readonly invocation: Invocation;
  readonly signal: AbortSignal;
}

/** The parsed words, once it is known which of them belong to the command. */
interface ReadCall {
  readonly options: CallOptions;
  readonly wordsForCommand: readonly string[];
}

async function callCommand(call: Call): Promise<void> {
  const { invocation, signal } = call;
  const accepted = acceptedOptions(call.options);
  let read = readCall(call, accepted);
  invocation.json = read.options.json === true;
  let client = await openFirst(read, call);
  try {
    const earlier = call.options.again === true ? await earlierCall(client, call.name, signal) : undefined;
    const name = earlier?.command ?? call.name;
    let description: CommandDescription | undefined;
    if (earlier !== undefined || needsDescription(call, read)) {
      description = await describe(client, name, signal, read.options.durable === true);
      const claimed = claimedOptions(description, accepted);
      if ([...claimed].some((option) => hasOption(read.options, call.options, option))) {
        read = readCall(call, new Map([...accepted].filter(([option]) => !claimed.has(option))));
        invocation.json = read.options.json === true;
        await client.close();
        client = await openClient(read.options, signal);
      }
    }
    if (read.options.help === true) {
      if (description === undefined)
        throw withHint(
          new IscepError("unauthorized", "the server does not tell this caller about its commands"),
          mayNotList,
        );
      await print(commandHelp(description));
      return;
    }
    // Over version 1 nothing is sent, which is said later.
    checkStandardInput(read.options, client.protocol === 1 ? undefined : description);
    const given = {
      ...(earlier === undefined ? {} : keptArguments(earlier, description)),
      ...(read.options.args === undefined ? {} : await readJsonSource(read.options.args, signal)),
    };
    const secrets = await takeSecrets(read.wordsForCommand, description?.args, {
      given,
      askedAgain: earlier?.argumentsOmitted ?? [],
      standardInputIsTaken: read.options.stdin === true || read.options.args === "-",
      quiet: read.options.quiet === true,
      signal,
    });
    const args = { ...given, ...parseArguments(secrets.words, description?.args), ...secrets.values };
    if (earlier !== undefined) checkOmitted(earlier, args, description);
    const options = {
      ...read.options,
      ...(secrets.hasReadStandardInput ? { stdin: false } : {}),
      timeoutMs: timeoutOf(read.options),
      takesStandardInput: description?.stdin === true,
      takesTerminal: description?.terminal === true,
      mayBeCut: async () => {
        const known = description ?? (await listOrNothing(client, signal))?.find((one) => one.name === name);
        return known?.mayBeCut === true;
      },
    };
    if (read.options.yes !== true) await confirm(description, signal);
    if (read.options.durable === true && description === undefined && read.options.quiet !== true)
      await note(unknownNow);
    invocation.exitCode = await explained(client, name, signal, () =>
      (options.all === true ? callAll : options.durable === true ? submitRun : startRun)(
        client,
        name,
        args,
        options,
        signal,
      ),
    );
  } finally {
    await client.close();
  }
}

/** The command may have an argument of that name. This is known only when there is a connection. */
async function openFirst(read: ReadCall, call: Call): Promise<Client> {
  try {
    return await openClient(read.options, call.signal);
  } catch (error) {
    if (read.options.url === undefined || call.options.url !== undefined) throw error;
    throw withHint(error, "where --url is an argument of the command, write -- in front of it");
  }
}

/** An option in front of COMMAND belongs to iscep. Behind COMMAND, the same name belongs to the command. */
function acceptedOptions(settled: CallOptions): OwnOptions {
  const accepted = new Map<string, { takesValue: boolean }>([["help", { takesValue: false }]]);
  for (const option of addCallOptions(new Command()).options) {
    if (option.long === undefined || option.long === null) continue;
    // Behind COMMAND, this option would come too late: COMMAND was already taken for a name.
    if (option.long === "--again" || Object.hasOwn(settled, option.attributeName())) continue;
    accepted.set(option.long.slice("--".length), { takesValue: option.required });
  }
  return accepted;
}

function readCall(call: Call, accepted: OwnOptions): ReadCall {
  const words = call.words.length === 1 && call.words[0] === "-h" ? ["--help"] : call.words;
  const { own, forCommand } = separateOwnOptions(words, accepted);
  const { help, ...rest } = Object.fromEntries(own);
  const parser = addCallOptions(new Command("call"))
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  parser.parse(
    Object.entries(rest).map(([option, value]) => (value === true ? `--${option}` : `--${option}=${value}`)),
    { from: "user" },
  );
  const behind: CallOptions = parser.opts();
  return { options: { ...behind, ...call.options, help: help === true }, wordsForCommand: forCommand };
}

/**
 * Only the server knows whether the command wants to be confirmed. After --yes, a command without arguments has nothing
 * to convert or to ask for, and --args says everything by itself.
 */
function needsDescription(call: Call, read: ReadCall): boolean {
  if (read.options.yes !== true) return true;
  if (read.wordsForCommand.length > 0 || read.options.help === true || mayBeSent(read.options)) return true;
  return read.options.args === undefined && (call.words.length > 0 || mayAsk());
}

/**
 * undefined when the server does not say.
 * @param mayBeAbsent no instance needs to be there now
 */
async function describe(
  client: Client,
  name: string,
  signal: AbortSignal,
  mayBeAbsent: boolean,
): Promise<CommandDescription | undefined> {
  const descriptions = await listOrNothing(client, signal, mayBeAbsent ? ["connect_failed"] : []);
  const description = descriptions?.find((candidate) => candidate.name === name);
  if (descriptions !== undefined && description === undefined) throw notFound(name, descriptions);
  return description;
}

/** A token may call without the right to list, and the list may be too large for version 1. */
async function listOrNothing(
  client: Client,
  signal: AbortSignal,
  alsoNothing: readonly ErrorCode[] = [],
): Promise<CommandDescription[] | undefined> {
  try {
    return await client.list({ signal });
  } catch (error) {
    const refused: readonly ErrorCode[] = ["unauthorized", "command_not_found", "failed", "too_large", ...alsoNothing];
    if (isIscepError(error) && refused.includes(error.code)) return undefined;
    throw error;
  }
}

function claimedOptions(description: CommandDescription | undefined, accepted: OwnOptions): Set<string> {
  const names = new Set(
    description === undefined ? [] : parametersOf(description.args).map(({ name }) => canonicalName(name)),
  );
  return new Set([...accepted.keys()].filter((option) => names.has(option) || names.has(positive(option))));
}

function hasOption(options: CallOptions, settled: CallOptions, name: string): boolean {
  const attribute = positive(name).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const value: unknown = Object.entries(options).find(([key]) => key === attribute)?.[1];
  const absent = name !== positive(name);
  return value !== undefined && value !== absent && !Object.hasOwn(settled, attribute);
}

/** `--no-stdin` is the opposite of `--stdin`, for arguments as for options. */
function positive(option: string): string {
  return option.startsWith("no-") ? option.slice("no-".length) : option;
}

function notFound(name: string, descriptions: readonly CommandDescription[]): unknown {
  const near = nearName(
    name,
    descriptions.map((description) => description.name),
  );
  const hint = near === undefined ? "`iscep ls` shows the commands that this caller may run" : `did you mean ${near}?`;
  return withHint(
    new IscepError("command_not_found", `there is no command "${name}", or this caller may not run it`),
    hint,
  );
}

/** Adds to the server's refusal what a person can do next. */
async function explained<Value>(
  client: Client,
  name: string,
  signal: AbortSignal,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!isIscepError(error)) throw error;
    if (error.code === "invalid_arguments") throw withHint(error, `\`iscep call ${name} --help\` shows the arguments`);
    if (error.code === "command_not_found") throw notFound(name, (await listOrNothing(client, signal)) ?? []);
    throw error;
  }
}
