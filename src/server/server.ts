/** The public server: puts dispatcher, journal, schedule and doors together, opens them, and closes them in good order. */
import { join } from "node:path";
import { isDoneWithin } from "../waiting/within.js";
import type { Client } from "../client/client.js";
import { compileNotices } from "../commands/notify.js";
import { Registry } from "../commands/registry.js";
import { Dispatcher } from "../dispatcher.js";
import { claimsSchedules } from "../doors/built-in-door.js";
import type { DoorServer, InProcessClientOptions, ServerLoad } from "../doors/door.js";
import { inProcessClient } from "../doors/in-process/client.js";
import type { InProcessHost } from "../doors/in-process/host.js";
import { IscepError } from "../errors.js";
import { openRuns, type OpenRuns } from "../journal/open-runs.js";
import type { Limits } from "../limits/limits.js";
import type { Command, CommandSet, Notice } from "../model/command.js";
import type { TokensAuthenticator } from "../model/identity.js";
import { EventLoopDelayMeter } from "../metrics/event-loop-delay.js";
import { Metrics } from "../metrics/metrics.js";
import { readMetrics } from "../metrics/read-metrics.js";
import { Notices } from "../notices/notices.js";
import { countRefusals } from "../logs/counted-refusals.js";
import type { Logs } from "../model/logs.js";
import { tellExceptions } from "../logs/exceptions.js";
import { insideCommandWorker } from "../runs/thread/worker-flag.js";
import { refuseUnknownOption } from "../text/unknown-option.js";
import { folderClaims } from "../schedule/folder-claims.js";
import { Scheduler } from "../schedule/scheduler.js";
import { loadTracing } from "../traces/tracing.js";
import { Admission } from "./admission.js";
import { ChangeListeners } from "./change-listeners.js";
import { authenticatorOf, checkClientCertificates } from "./client-certificates.js";
import { doorHost } from "./door-host.js";
import { checkPlaces } from "./listen-places.js";
import { loadOf } from "./load.js";
import { openLogs } from "./open-logs.js";
import { openTokens } from "./open-tokens.js";
import { OpenedDoors } from "./opened-doors.js";
import { accessOf, checkServerOptions, limitsOf, type ListeningServer, type ServerOptions } from "./options.js";
import { PacketDoors } from "./packet-doors.js";
import { presentState } from "./present-state.js";
import { proofTo, requesterClient } from "./requester-client.js";
import { seenByDoors } from "./seen-by-doors.js";
import { startSweep } from "./sweep.js";
import { serverCertificate, type ServerCertificate } from "./server-certificate.js";

interface Listening {
  readonly packets: PacketDoors;
  readonly doors: OpenedDoors | undefined;
  readonly host: InProcessHost;
  readonly authenticator: TokensAuthenticator | undefined;
  readonly scheduler: Scheduler;
  readonly runs: OpenRuns | undefined;
  readonly notices: Notices;
  readonly eventLoop: EventLoopDelayMeter;
  readonly sweep: NodeJS.Timeout;
}

export class Server implements DoorServer {
  readonly #options: ServerOptions;
  readonly #limits: Limits;
  readonly #registry: Registry;
  readonly #notices: readonly Notice[];
  readonly #metrics: Metrics;
  readonly #changes = new ChangeListeners();
  readonly #loadChanges = new ChangeListeners();
  #state: "new" | "starting" | "listening" | "closed" = "new";
  #listening: Listening | undefined;
  #starting: Promise<ListeningServer> | undefined;
  #closed: Promise<void> | undefined;

  /** @throws IscepError `usage` when options contradict each other, or two commands have the same name */
  constructor(options: ServerOptions = {}) {
    checkServerOptions(options);
    checkPlaces(options);
    checkClientCertificates(options);
    this.#options = options;
    this.#limits = limitsOf(options);
    this.#registry = new Registry(options.commands ?? []);
    this.#metrics = new Metrics({
      maxMetricCommands: this.#limits.maxMetricCommands,
      isRegistered: (name) => this.#registry.get(name) !== undefined,
    });
    this.#notices = compileNotices("the server", options.notify ?? false);
  }

  /** Adds a command, even while the server runs. @throws IscepError `usage` when there is one of that name */
  register(command: Command): void {
    this.#registry.register(command);
    this.#changes.changed();
  }

  /** Removes a command. Its runs go on. Returns true when there was one. */
  unregister(name: string): boolean {
    const wasThere = this.#registry.unregister(name);
    if (wasThere) this.#changes.changed();
    return wasThere;
  }

  /** Called once after commands were registered, unregistered or reloaded. Returns a function that ends this. */
  onCommandsChanged(listener: () => void): () => void {
    return this.#changes.add(listener);
  }

  /**
   * A client that calls this server without a network, with the same checks, errors, outcomes and limits as one that
   * connects over version 2. Its calls fail with `usage` before the server listens, and with `closed` after its close.
   * `close()` it when its caller is gone: its runs are then released as those of a lost connection.
   */
  client<Commands extends object = CommandSet>(options: InProcessClientOptions): Client<Commands> {
    return inProcessClient(options, this.#limits, () => this.#opened().host);
  }

  /** @throws IscepError `usage`, `closed` */
  #opened(): Listening {
    if (this.#listening !== undefined) return this.#listening;
    throw this.#state === "closed"
      ? new IscepError("closed", "the server is closed")
      : new IscepError("usage", "the server does not listen yet; await listen() before you call");
  }

  /**
   * Reads tokens and certificate, opens logs, and listens.
   * @throws IscepError `configuration` for a file that is missing or wrong, `listen_failed` for an address that cannot
   *   be had, `usage` when called twice. Nothing is left open then.
   */
  async listen(): Promise<ListeningServer> {
    // A worker thread imports the module of its command. That module may also start the server that we came from.
    if (insideCommandWorker()) return new Promise(() => {});
    if (this.#state !== "new") throw new IscepError("usage", "a server listens once; make a new one to listen again");
    this.#state = "starting";
    try {
      this.#starting = this.#start();
      return await this.#starting;
    } catch (error) {
      if (this.#closed === undefined) this.#state = "new";
      throw error;
    }
  }

  async #start(): Promise<ListeningServer> {
    const options = this.#options;
    const limits = this.#limits;
    await loadTracing();
    const certificate = await serverCertificate(options);
    let logs = await openLogs(options.logs, limits);
    let authenticator: TokensAuthenticator | undefined;
    let runs: OpenRuns | undefined;
    const folder = options.runsFolder;
    const metrics = this.#metrics;
    const notices = new Notices({ limits, logs, registry: this.#registry, all: this.#notices, metrics, folder });
    try {
      authenticator = openTokens(options.tokens, limits, logs);
      if (folder !== undefined)
        runs = await openRuns(folder, limits, logs, (record, output) => {
          metrics.lost(record.command);
          notices.lost(record, output);
        });
      logs = runs?.logs ?? logs;
      if (logs !== undefined) logs = countRefusals(logs, limits);
      return await this.#open(certificate, logs, authenticator, runs, notices);
    } catch (error) {
      authenticator?.close();
      await notices.close(0);
      await runs?.close();
      await logs?.close();
      throw error;
    }
  }

  async #open(
    certificate: ServerCertificate | undefined,
    logs: Logs | undefined,
    authenticator: TokensAuthenticator | undefined,
    runs: OpenRuns | undefined,
    notices: Notices,
  ): Promise<ListeningServer> {
    const options = this.#options;
    const limits = this.#limits;
    const dispatcher = new Dispatcher({
      registry: this.#registry,
      limits,
      logs,
      logArgs: options.logArgs,
      exceptions: options.logs === undefined ? tellExceptions(process.stderr, limits) : undefined,
      store: runs?.store,
      history: runs?.history,
      metrics: this.#metrics,
      notices,
      loadChanged: () => this.#loadChanges.changed(),
    });
    const file = options.runsFolder === undefined ? undefined : join(options.runsFolder, "schedule.json");
    const shared = options.doors?.find(claimsSchedules);
    const inFolder = runs && folderClaims(options.runsFolder ?? "", runs.isGone, limits.scheduleCatchUpMs);
    const claim = shared?.claimSchedule.bind(shared) ?? inFolder;
    const scheduler = new Scheduler({ registry: this.#registry, dispatcher, file, limits, logs, claim });
    const admission = new Admission(limits, options.exemptLocalSources ?? true);
    const host = doorHost(
      { dispatcher, authenticator, limits, logs, metrics: this.#metrics, readMetrics: () => this.metrics() },
      admission,
    );
    const packets = await PacketDoors.open(options, {
      host,
      admission,
      certificate,
      endPointBinding: options.endPointBinding ?? true,
      authenticatorOf: (socket, source) => authenticatorOf(options, authenticator, socket, source),
    });
    const sweep = startSweep(packets, host);
    const eventLoop = new EventLoopDelayMeter();
    // From here on doors can call.
    this.#listening = { packets, doors: undefined, host, authenticator, scheduler, runs, notices, eventLoop, sweep };
    try {
      const seen = seenByDoors(this, {
        acceptHttp: (connected, places) => packets.acceptHttp(connected, places),
        acceptLink: (link, from) => this.#opened().packets.acceptLink(link, from),
        clientOf: (requester) => requesterClient(requester, options, this.#opened()),
        proofTo: (...asked) => proofTo(this.#opened().authenticator, ...asked),
      });
      const doors = await OpenedDoors.open(packets, options.doors ?? [], seen);
      this.#listening = { ...this.#listening, doors };
      this.#state = "listening";
      scheduler.begin();
      if (runs !== undefined) notices.begin((server) => runs.isGone(server) === true);
      return { ...packets.address, doorUrls: doors.urls };
    } catch (error) {
      this.#listening = undefined;
      clearInterval(sweep);
      await dispatcher.close(0);
      throw error;
    }
  }

  /**
   * The metrics as text for Prometheus (docs/METRICS.md).
   * @throws IscepError `usage` before the server listens, `closed` after its close
   */
  metrics(): string {
    return readMetrics(this.#metrics, presentState(this.#opened(), this.#registry.list().length));
  }

  /** Why the server is not ready: it does not listen, or a door has lost its far side. undefined: it is ready. */
  unready(): string | undefined {
    if (this.#closed !== undefined) return "the server is closing";
    return this.#state === "listening" ? this.#listening?.doors?.unready() : "the server does not listen yet";
  }

  /** See `DoorServer`. */
  get access(): "tokens" | "everybody" | "machine" {
    return accessOf(this.#options);
  }

  /** See `DoorServer`. */
  load(): ServerLoad {
    const turns = this.#closed === undefined ? this.#listening?.host.dispatcher.turns : undefined;
    return loadOf(turns, this.#limits.maxRuns, this.#registry.list().length);
  }

  /** See `DoorServer`. */
  onLoadChanged(listener: () => void): () => void {
    return this.#loadChanges.add(listener);
  }

  /** See `DoorServer`. @throws IscepError as `client` */
  accept(...[stream, options]: Parameters<DoorServer["accept"]>): void {
    this.#opened().packets.accept(stream, options);
  }

  /** See `DoorServer`. */
  report(message: string, error?: unknown): void {
    const kind = error === undefined ? { level: "info" as const } : { error };
    this.#listening?.host.logs?.error({ event: "door", message, ...kind });
  }

  /** The limits that count: the defaults, and what the options change. */
  get limits(): Limits {
    return this.#limits;
  }

  /** The number of open connections. */
  get connections(): number {
    return this.#listening?.packets.connections ?? 0;
  }

  /**
   * Reads the certificate again, for handshakes from now on. Tokens need no reload.
   * @throws IscepError `configuration`; then the old one stays
   */
  async reload(): Promise<void> {
    const certificate = await serverCertificate(this.#options);
    if (certificate !== undefined) this.#listening?.packets.setCertificate(certificate);
  }

  /**
   * Takes no more connections and starts no more runs, lets what is under way end within `graceMs` (default
   * `closeGraceMs`), then cancels it. Resolves when every run has ended and every file is closed, and no later than `killGraceMs`
   * and `lingerTimeoutMs` after the grace, whatever is stuck. Notices of runs have `noticeCloseMs` of that time. Safe to call
   * twice.
   */
  async close(options: { readonly graceMs?: number } = {}): Promise<void> {
    refuseUnknownOption("server.close()", options, { graceMs: true });
    this.#closed ??= this.#close(options.graceMs ?? this.#limits.closeGraceMs);
    this.#loadChanges.changed();
    return this.#closed;
  }

  async #close(graceMs: number): Promise<void> {
    // The server was closed while it starts, so what it opens must be closed too. The caller of `listen` gets the error.
    await this.#starting?.catch(() => undefined);
    const listening = this.#listening;
    this.#state = "closed";
    if (listening === undefined) return;
    const { doors, host, authenticator, scheduler, runs, notices, eventLoop, sweep } = listening;
    doors?.drain();
    eventLoop.close();
    scheduler.close();
    const { killGraceMs, lingerTimeoutMs, noticeCloseMs } = this.#limits;
    const endsAtMs = performance.now() + graceMs + killGraceMs + lingerTimeoutMs;
    // The other half of the time is for the last packets and lines.
    await host.dispatcher.close(graceMs, killGraceMs + lingerTimeoutMs / 2);
    const leftMs = (): number => Math.max(0, endsAtMs - performance.now());
    const noticed = notices.close(Math.min(noticeCloseMs, leftMs() / 2));
    await doors?.close(Math.min(lingerTimeoutMs, leftMs()), leftMs);
    clearInterval(sweep);
    authenticator?.close();
    await isDoneWithin(noticed, leftMs() / 2);
    // What is written later, such as the end of a run of another server, is found by the next start.
    await isDoneWithin(runs?.close(), leftMs());
    await isDoneWithin(host.logs?.close(), leftMs());
    this.#listening = undefined;
    if (doors?.fault !== undefined) throw doors.fault;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
