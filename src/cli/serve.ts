import { resolve } from "node:path";
import { IscepError, textOfThrown, toIscepError } from "../errors.js";
import { limitTable, resolveLimits } from "../limits.js";
import type { Logs } from "../logs/logs.js";
import type { ServerOptions } from "../server/options.js";
import { defaultHost, isLoopbackHost } from "../transport/address.js";
import { onStopSignals } from "./interrupt.js";
import type { DefineVerb } from "./invocation.js";
import { nonEmpty, wholeNumber } from "./option-values.js";
import { loadSources, type ServeSettings } from "./serve-sources.js";
import { ServedCommands } from "./served-commands.js";
import { print, warn } from "./streams.js";

/** As commander names them. */
interface ServeFlags {
  readonly host?: string;
  readonly port?: number;
  readonly unix?: string;
  readonly tokensPath?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** False with --no-tls. */
  readonly tls: boolean;
  /** False with --no-auth. */
  readonly auth: boolean;
  readonly allowCleartext?: boolean;
  readonly logs?: string;
  readonly maxConnections?: number;
  readonly threads?: number;
  readonly debug?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const explanation = `
FILE is an iscep.yaml, or a module (.js, .mjs, .ts) that exports commands; without one, ISCEP_CONFIG or
./iscep.yaml.
Options count more than what the file says. On TCP, TLS is on: without --tls-cert and --tls-key, with a key that
is made on the first start, and a pin that is printed as part of the address.

When it is ready, one line on standard output tells the address: listening on iscep://127.0.0.1:8989?pin=…
SIGTERM and Ctrl-C let what runs end, for a while, and exit with 0; a second one exits at once. SIGHUP reads
the certificate and the commands of iscep.yaml again; tokens are always read again by themselves.`;

export const define: DefineVerb = (command) => {
  command
    .argument("[files...]", "iscep.yaml, or modules that export commands")
    .option("--host <host>", "address to listen on (default: 127.0.0.1)", nonEmpty)
    .option("--port <number>", "port; 0 picks a free one (default: 8989)", wholeNumber(0, 65_535))
    .option("--unix <path>", "listen on a unix socket instead", nonEmpty)
    .option(
      "--tokens-path <file>",
      "the tokens file, like tokens.json; without one, only this machine may call",
      nonEmpty,
    )
    .option("--tls-cert <file>", "certificate", nonEmpty)
    .option("--tls-key <file>", "key of the certificate", nonEmpty)
    .option("--no-tls", "cleartext")
    .option("--no-auth", "everybody who can connect may call")
    .option("--allow-cleartext", "allow --no-tls on addresses that others can reach")
    .option("--logs <folder>", "folder for access.log, error.log and commands.log", nonEmpty)
    .option("--max-connections <number>", "connections at once", wholeNumber(1, limitTable.maxConnections.max))
    .option(
      "--threads <number>",
      "worker threads for commands that ask for one",
      wholeNumber(1, limitTable.maxThreads.max),
    )
    .option("--debug", "show all that happens, on standard error (ISCEP_LOG_LEVEL=debug)")
    .option("--quiet", "show nothing on standard error, not even errors of requests (ISCEP_LOG_LEVEL=quiet)")
    .option("--json", 'tell the address as {"event":"listening","url":…}')
    .addHelpText("after", explanation)
    .action(serve);
};

async function serve(files: readonly string[], flags: ServeFlags): Promise<void> {
  checkFlags(flags);
  const level = logLevelOf(flags);
  const { commands, settings } = await loadSources(files);
  const { logs: logsFolder, ...options } = withFlags(settings, flags);
  const { Server } = await import("../server/server.js");
  const logs = await openServeLogs(logsFolder, level);
  const server = new Server({ ...options, commands, ...(logs === undefined ? {} : { logs }) });
  // From here on a signal stops in good order; whoever sends it has seen the line that says we listen.
  const stopped = new Promise<unknown>((stop) => {
    onStopSignals(() => stop(undefined));
    onStrayFaults(logs, stop);
  });
  const served = new ServedCommands(server, commands);
  process.on("SIGHUP", () => {
    const warnOf = (what: string) => (error: unknown) =>
      warn(`the ${what} of before stay: ${toIscepError(error).message}`);
    server.reload().catch(warnOf("key and certificate"));
    loadSources(files)
      .then((sources) => served.replace(sources.commands))
      .catch(warnOf("commands"));
  });
  const { url } = await server.listen();
  if (level !== "quiet") await warnOfOpenDoors(options);
  await print(flags.json === true ? `${JSON.stringify({ event: "listening", url })}\n` : `listening on ${url}\n`);
  const fault = await stopped;
  await server.close();
  if (fault !== undefined) {
    throw new IscepError("internal", `an exception that nobody caught ended the server: ${textOfThrown(fault)}`, {
      cause: fault,
    });
  }
}

/**
 * Faults of commands that nobody waits for. A promise that was left alone harms no other run. After an exception that
 * nobody caught nobody knows what still holds: the server ends its runs and scripts in good order, and its supervisor
 * starts a new one.
 */
function onStrayFaults(logs: Logs | undefined, stop: (fault: unknown) => void): void {
  process.on("unhandledRejection", (reason) => {
    logs?.error({ event: "stray_rejection", message: textOfThrown(reason), error: reason });
  });
  process.on("uncaughtException", (error) => {
    logs?.error({ event: "uncaught_exception", message: textOfThrown(error), error });
    stop(error);
  });
}

function checkFlags(flags: ServeFlags): void {
  const contradictions: readonly [boolean, string][] = [
    [
      flags.unix !== undefined && (flags.host !== undefined || flags.port !== undefined),
      "give either --unix, or --host and --port",
    ],
    [
      flags.unix !== undefined && flags.tlsCert !== undefined,
      "a unix socket carries no TLS; leave out --tls-cert and --tls-key",
    ],
    [(flags.tlsCert === undefined) !== (flags.tlsKey === undefined), "--tls-cert and --tls-key belong together"],
    [!flags.tls && flags.tlsCert !== undefined, "give either --no-tls, or --tls-cert and --tls-key"],
    [!flags.auth && flags.tokensPath !== undefined, "give either --no-auth or --tokens-path"],
    [flags.debug === true && flags.quiet === true, "give either --debug or --quiet"],
  ];
  for (const [wrong, sentence] of contradictions) if (wrong) throw new IscepError("usage", sentence);
}

/** What was said on the command line counts more than the file. */
function withFlags(settings: ServeSettings, flags: ServeFlags): ServeSettings {
  const { host, port, unix, tls, ...rest } = settings;
  const onUnix =
    flags.unix !== undefined || (unix !== undefined && flags.host === undefined && flags.port === undefined);
  const chosenTls = flags.tls
    ? flags.tlsCert !== undefined && flags.tlsKey !== undefined
      ? { cert: flags.tlsCert, key: flags.tlsKey }
      : tls
    : false;
  const place = onUnix
    ? { unix: flags.unix === undefined ? unix : resolve(flags.unix) }
    : { host: flags.host ?? host, port: flags.port ?? port, tls: chosenTls };
  return defined({
    ...rest,
    ...place,
    ...defined({
      tokens: flags.auth ? flags.tokensPath : false,
      allowCleartext: flags.allowCleartext,
      logs: flags.logs,
      maxConnections: flags.maxConnections,
      threads: flags.threads,
    }),
  });
}

type Defined<Values> = { [Key in keyof Values]?: Exclude<Values[Key], undefined> };

/** Without the keys whose value is undefined. */
function defined<Values extends object>(values: Values): Defined<Values> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<Values>;
}

const logLevels = ["debug", "normal", "quiet"] as const;
type LogLevel = (typeof logLevels)[number];

function logLevelOf(flags: ServeFlags): LogLevel {
  if (flags.debug === true) return "debug";
  if (flags.quiet === true) return "quiet";
  const name = process.env["ISCEP_LOG_LEVEL"] || "normal";
  const level = logLevels.find((known) => known === name);
  if (level === undefined) throw new IscepError("usage", `ISCEP_LOG_LEVEL must be one of ${logLevels.join(", ")}`);
  return level;
}

async function openServeLogs(folder: ServerOptions["logs"], level: LogLevel): Promise<Logs | undefined> {
  const logs: Logs[] = [];
  if (level !== "quiet") {
    const { openTerminalLogs } = await import("../logs/terminal.js");
    logs.push(openTerminalLogs(process.stderr, { level }));
  }
  if (typeof folder === "string") {
    const { openLogFiles } = await import("../logs/files.js");
    const onProblem = (message: string): void => void (level === "quiet" || warn(message));
    logs.push(await openLogFiles(folder, { limits: resolveLimits(), onProblem }));
  } else if (folder !== undefined) {
    logs.push(folder);
  }
  const { combineLogs } = await import("../logs/combine.js");
  return logs.length === 0 ? undefined : combineLogs(...logs);
}

/** Said at each start: nobody should come to live with it unseen. */
async function warnOfOpenDoors({ host, unix, tls, tokens }: ServeSettings): Promise<void> {
  if (unix !== undefined || isLoopbackHost(host ?? defaultHost)) return;
  if (tls === false) await warn("without TLS, the network can see tokens and data");
  if (tokens === false) await warn("without tokens, everybody who can connect may run the commands");
}
