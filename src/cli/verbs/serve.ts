import { IscepError, textOfThrown } from "../../errors.js";
import { resolveLimits } from "../../limits/limits.js";
import { maskKnown } from "../../logs/known-secrets.js";
import type { Logs } from "../../model/logs.js";
import { isLoopbackHost } from "../../transport/address.js";
import { closeInherited } from "../serving/inherited-descriptors.js";
import { killAllGroups } from "../../runs/script/start.js";
import { onStopSignals } from "../terminal/interrupt.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { placed } from "../serving/placed-fault.js";
import { keyOpenToOthers, sourcesOfOthers, tokensOfOthers } from "../serving/file-owners.js";
import { programsOfOthers, serverNoticeScripts } from "../serving/program-owners.js";
import { Reload } from "../serving/reload.js";
import { doorsOf, unsignedHooks } from "../serving/doors.js";
import { runsFolderOf } from "../serving/runs-folder.js";
import { logLevelOf, openServeLogs, type LevelFlags } from "../serving/logs.js";
import { scheduleLines } from "../serving/schedules.js";
import { addSettingOptions, checkFlags, withFlags, type SettingFlags } from "../serving/options.js";
import { filesOf, loadSources, type ServeSettings } from "../serving/sources.js";
import { ServedCommands } from "../serving/served-commands.js";
import { goOnUnheard, print } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";
import { WatchedFiles } from "../../files/watched-files.js";

interface ServeFlags extends SettingFlags, LevelFlags {
  readonly json?: boolean;
}

const explanation = `
FILE is an iscep.yaml, or a module (.js, .mjs, .ts) that exports commands. Without one, it is the file that
ISCEP_CONFIG names, or ./iscep.yaml. Options win over the file. On TCP, TLS is on. Without --tls-cert and --tls-key, the
first start makes a key. The printed address contains its pin.

When the server is ready, it prints one line on standard output: listening on iscep://127.0.0.1:8989?pin=…
SIGTERM and Ctrl-C let runs go on for 10 s, or for --grace, then end them, and exit with 0 at most 6 s after that. A
second one kills all runs and exits at once. The commands of iscep.yaml are read again when the file changes, and at
SIGHUP, which also reads the certificate. Changed tokens are read at once.`;

export const define: DefineVerb = (command) => {
  command.argument("[files...]", "iscep.yaml, or modules that export commands");
  addSettingOptions(command)
    .option("--debug", "show everything that happens, on standard error (ISCEP_LOG_LEVEL=debug)")
    .option("--quiet", "show nothing on standard error, not even errors of requests (ISCEP_LOG_LEVEL=quiet)")
    .option("--json", 'print the address as {"event":"listening","url":…}')
    .addHelpText("after", explanation)
    .action(serve);
};

async function serve(files: readonly string[], flags: ServeFlags): Promise<void> {
  const { events, ownsProcess } = surroundings();
  const closeRead = ownsProcess ? closeInherited(process.argv) : () => {};
  if (ownsProcess) goOnUnheard();
  checkFlags(flags);
  const level = logLevelOf(flags);
  const names = filesOf(files);
  const watched = new WatchedFiles(names);
  const sources = await loadSources(names);
  const { logs: logsFolder, http, nats, ...options } = withFlags(sources.settings, flags);
  const { Server } = await import("../../server/server.js");
  const toPlaced = (error: unknown): never => {
    throw placed(error, sources.places);
  };
  const logs = await openServeLogs(logsFolder, level, options.limits).catch(toPlaced);
  const { commands } = sources;
  const runsFolder = await runsFolderOf(names, options, logs.warn);
  const server = new Server({
    ...options,
    doors: await doorsOf({ http, nats, allowCleartext: options.allowCleartext }),
    commands,
    logs: logs.all ?? false,
    ...(runsFolder === undefined ? {} : { runsFolder }),
  });
  // From here on a signal stops the server in good order. The sender has seen the line that says that it listens.
  const stopListening: (() => void)[] = [];
  const stopped = new Promise<unknown>((stop) => {
    stopListening.push(
      onStopSignals(() => stop(undefined), killAllGroups),
      onStrayFaults(logs.all, stop),
    );
  });
  const served = new ServedCommands(server, commands);
  const reload = new Reload({
    sources,
    server,
    served,
    watched,
    logs: logs.kept,
    level: logs.stream === "stderr" ? "quiet" : level,
  });
  const readAgain = (): void => reload.all();
  events.on("SIGHUP", readAgain);
  stopListening.push(() => events.off("SIGHUP", readAgain));
  watched.start({ limits: resolveLimits(options.limits), onChange: (changed) => reload.changed(changed) });
  const { urls, doorUrls } = await server.listen().catch(toPlaced);
  closeRead();
  if (level !== "quiet") {
    for (const line of [
      ...openDoors(options),
      ...unsignedHooks(http),
      ...orphans(),
      ...sourcesOfOthers(sources),
      ...tokensOfOthers(options),
      ...keyOpenToOthers(options),
      ...programsOfOthers([...commands, ...serverNoticeScripts(options)]),
    ])
      await logs.warn(line);
    for (const line of scheduleLines(commands)) await logs.note(line);
  }
  for (const url of [...urls, ...doorUrls])
    await print(
      flags.json === true || logs.stream === "stdout"
        ? `${JSON.stringify({ event: "listening", url })}\n`
        : `listening on ${url}\n`,
    );
  const fault = await stopped;
  watched.close();
  await server.close();
  for (const stopListeningTo of stopListening) stopListeningTo();
  if (fault !== undefined) {
    throw new IscepError(
      "internal",
      `an exception that nobody caught ended the server: ${maskKnown(textOfThrown(fault))}`,
    );
  }
}

/**
 * Handles faults of commands that nobody waits for. A rejected promise without a handler harms no other run. After an
 * uncaught exception, nobody knows what still works: the server ends its runs and scripts in good order, and its
 * supervisor starts a new one.
 */
function onStrayFaults(logs: Logs | undefined, stop: (fault: unknown) => void): () => void {
  const { events } = surroundings();
  const onRejection = (reason: unknown): void => {
    logs?.error({ event: "stray_rejection", message: textOfThrown(reason), error: reason });
  };
  const onException = (error: unknown): void => {
    logs?.error({ event: "uncaught_exception", message: textOfThrown(error), error });
    stop(error);
  };
  events.on("unhandledRejection", onRejection).on("uncaughtException", onException);
  return () => void events.off("unhandledRejection", onRejection).off("uncaughtException", onException);
}

/** This is printed at each start, so that nobody overlooks it for long. */
function openDoors({ listen = [], tls, tokens }: ServeSettings): string[] {
  if (listen.every((place) => "unix" in place || isLoopbackHost(place.host))) return [];
  return [
    ...(tls === false ? ["without TLS, the network can see tokens and data"] : []),
    ...(tokens === false ? ["without tokens, everybody who can connect may run the commands"] : []),
  ];
}

/**
 * A process that a script leaves behind becomes a child of process 1 when its parent ends, and Node waits only for its
 * own children.
 */
function orphans(): string[] {
  if (process.pid !== 1) return [];
  return [
    "this is process 1 of a container, and what scripts leave behind would stay as zombies; start it under an init: docker run --init, `init: true` in a compose file, or tini",
  ];
}
