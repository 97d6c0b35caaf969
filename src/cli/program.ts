/** Turns the words of the command line into an exit code. Only the named verb is loaded. */
import { Command, CommanderError } from "commander";
import { nearName } from "../text/near-name.js";
import { errorTable, IscepError } from "../errors.js";
import { packageVersion } from "../version.js";
import { checkWords } from "./arguments/raw-words.js";
import { summarise, type DefineVerb, type Invocation } from "./terminal/invocation.js";
import { reportError } from "./terminal/report.js";
import { surroundings, within, type Surroundings } from "./terminal/surroundings.js";

interface Verb {
  readonly summary: string;
  /** This verb is for programs, not for people. */
  readonly isHidden?: true;
  load(): Promise<{ readonly define: DefineVerb }>;
}

const verbs: Readonly<Record<string, Verb>> = {
  init: {
    summary: "write a starter iscep.yaml, tokens file, key and certificate",
    load: () => import("./verbs/init.js"),
  },
  serve: { summary: "serve the commands of an iscep.yaml or of modules", load: () => import("./verbs/serve.js") },
  check: {
    summary: "check an iscep.yaml and the files that it names, and start nothing",
    load: () => import("./verbs/check.js"),
  },
  call: { summary: "call a command of a server", load: () => import("./verbs/call.js") },
  ls: { summary: "list the commands that a server offers", load: () => import("./verbs/ls.js") },
  runs: { summary: "list runs; show, follow or cancel one", load: () => import("./verbs/runs.js") },
  login: {
    summary: "give a server a name, and keep its address and your token",
    load: () => import("./verbs/login.js"),
  },
  servers: { summary: "list the servers that have a name; forget one", load: () => import("./verbs/servers.js") },
  mcp: { summary: "offer a server's commands to an assistant as tools (MCP)", load: () => import("./verbs/mcp.js") },
  instances: {
    summary: "list the instances of a service on a broker",
    load: () => import("./verbs/instances.js"),
  },
  ping: { summary: "measure round trips to a server", load: () => import("./verbs/ping.js") },
  tokens: { summary: "add, remove, list, rotate and import tokens", load: () => import("./verbs/tokens.js") },
  cert: { summary: "make a key and a self-signed certificate, or show a pin", load: () => import("./verbs/cert.js") },
  completion: {
    summary: "print the script that completes command lines of iscep in a shell",
    load: () => import("./verbs/completion.js"),
  },
  __complete: { summary: "complete a line", isHidden: true, load: () => import("./verbs/complete.js") },
};

const epilogue = `
Environment: ISCEP_URL, ISCEP_SERVER, ISCEP_TOKEN, ISCEP_TOKEN_FILE, ISCEP_CA_FILE, ISCEP_CERT_FILE,
ISCEP_KEY_FILE, ISCEP_TIMEOUT, ISCEP_TOKENS_FILE, ISCEP_NATS_CREDENTIALS, ISCEP_NATS_NKEY, ISCEP_CONFIG, ISCEP_LOG_LEVEL,
ISCEP_DEBUG (adds the causes of an error), NO_COLOR, TRACEPARENT.

Exit codes: 0 done, 1 or the command's own, 64 usage, 65 bad arguments,
69 cannot connect or listen, 70 internal, 75 busy, 76 lost or not this protocol,
77 not allowed, 124 timeout, 130 cancelled, 128+n killed by signal n.`;

/**
 * Never throws: each fault is reported, and becomes the exit code.
 * @param place for callers that go on after it; without it, the command line uses streams, environment and signals of
 *   this process
 */
export function runCommandLine(words: readonly string[], place?: Surroundings): Promise<number> {
  return place === undefined ? run(words) : within(place, () => run(words));
}

async function run(words: readonly string[]): Promise<number> {
  const invocation: Invocation = {
    exitCode: 0,
    json: asksForJson(words),
    programFor: (typed) => makeProgram(typed, invocation),
  };
  try {
    checkWords(words);
    checkHelpTopic(words);
    const program = await makeProgram(words, invocation);
    await program.parseAsync([...words], { from: "user" });
    return invocation.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      // Without a verb, commander has already shown the help on standard error.
      if (error.code === "commander.help") return 64;
      return reportError(usageError(error), invocation);
    }
    const exitCode = await reportError(error, invocation);
    return exitCode === errorTable.cancelled.exitCode ? (invocation.interruptedExitCode ?? exitCode) : exitCode;
  }
}

async function makeProgram(words: readonly string[], invocation: Invocation): Promise<Command> {
  const { stdout, stderr } = surroundings();
  const program = new Command("iscep");
  program
    .description("Call predefined commands inside another service, safely and live.")
    .version(packageVersion, "-V, --version", "print the version")
    .usage("VERB [options]")
    .enablePositionalOptions()
    .exitOverride()
    // All errors are reported in one place and in one form.
    .configureOutput({
      outputError: () => {},
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      getOutHelpWidth: () => stdout.columns ?? 80,
      getErrHelpWidth: () => stderr.columns ?? 80,
    })
    .configureHelp({ showGlobalOptions: false })
    .commandsGroup("Verbs:")
    .helpCommand("help [verb]", "show the help of a verb")
    .addHelpText("after", epilogue);
  // Finds the first word that is a verb. Options before it take no values.
  const named = words.find((word) => Object.hasOwn(verbs, word));
  for (const [name, verb] of Object.entries(verbs)) {
    const command = summarise(program.command(name, { hidden: verb.isHidden === true }), verb.summary);
    if (name === named) (await verb.load()).define(command, invocation);
  }
  return program;
}

/** Commander would show the general help for an unknown verb. @throws IscepError `usage` */
function checkHelpTopic([first, topic]: readonly string[]): void {
  if (first !== "help" || topic === undefined || topic === "help" || topic.startsWith("-")) return;
  if (Object.hasOwn(verbs, topic)) return;
  const near = nearName(topic, Object.keys(verbs));
  const meant = near === undefined ? "" : `; did you mean ${near}?`;
  throw new IscepError("usage", `unknown command '${topic}'${meant}`);
}

/** This also counts in front of an unknown option, when no verb can say whether it has --json. */
function asksForJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return words.slice(0, end === -1 ? undefined : end).includes("--json");
}

function usageError(error: CommanderError): IscepError {
  return new IscepError(
    "usage",
    error.message.replace(/^error: /, "").replace(/\n\(Did you mean (.*)\?\)$/, "; did you mean $1?"),
  );
}
