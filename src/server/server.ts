/** The public server: listens, admits connections, gives each to its door, and closes in good order. */
import type { Socket } from "node:net";
import { join } from "node:path";
import type { Command } from "../model/command.js";
import { Registry } from "../commands/registry.js";
import { Dispatcher } from "../dispatcher.js";
import { IscepError } from "../errors.js";
import type { Authenticator, TokensAuthenticator } from "../model/identity.js";
import { sourceKey } from "../identity/source.js";
import { openTokenStore } from "../identity/token-store.js";
import { resolveLimits, type Limits } from "../limits/limits.js";
import type { Logs } from "../model/logs.js";
import { countRefusals, suppressedText } from "../logs/counted-refusals.js";
import { LineRate } from "../logs/line-rate.js";
import { insideCommandWorker } from "../runs/thread/worker-flag.js";
import { Admission } from "./admission.js";
import type { Connection, ConnectionHost } from "../doors/connection.js";
import { FairWork } from "../doors/fair-work.js";
import { authenticatorOf, checkClientCertificates } from "./client-certificates.js";
import { checkPlaces, placesOf } from "./listen-places.js";
import { Listeners } from "./listeners.js";
import { openLogs } from "./open-logs.js";
import { openRuns, type OpenRuns } from "../journal/open-runs.js";
import type { ListeningServer, ServerOptions } from "./options.js";
import { Scheduler } from "../schedule/scheduler.js";
import { serverCertificate, type ServerCertificate } from "./server-certificate.js";
import { Version1Connection } from "../doors/version1/connection.js";
import { refuse } from "../doors/version1/refuse.js";
import { choseVersion2, Version2Connection } from "../doors/version2/connection.js";

interface Listening {
  readonly listeners: Listeners;
  readonly dispatcher: Dispatcher;
  readonly authenticator: TokensAuthenticator | undefined;
  readonly logs: Logs | undefined;
  readonly scheduler: Scheduler;
  readonly runs: OpenRuns | undefined;
  readonly sweep: NodeJS.Timeout;
  readonly connections: Set<Connection>;
}

export class Server {
  readonly #options: ServerOptions;
  readonly #limits: Limits;
  readonly #registry: Registry;
  #state: "new" | "starting" | "listening" | "closed" = "new";
  #listening: Listening | undefined;
  #starting: Promise<ListeningServer> | undefined;
  #closed: Promise<void> | undefined;

  /** @throws IscepError `usage` when options contradict each other, or two commands have one name. */
  constructor(options: ServerOptions = {}) {
    checkPlaces(options);
    checkClientCertificates(options);
    this.#options = options;
    this.#limits = resolveLimits({
      ...options.limits,
      ...(options.maxConnections === undefined ? {} : { maxConnections: options.maxConnections }),
      ...(options.threads === undefined ? {} : { maxThreads: options.threads }),
    });
    this.#registry = new Registry(options.commands ?? []);
  }

  /** Adds a command, while the server runs too. @throws IscepError `usage` when there is one of that name. */
  register(command: Command): void {
    this.#registry.register(command);
  }

  /** Removes a command; runs of it that are under way go on. Returns whether there was one. */
  unregister(name: string): boolean {
    return this.#registry.unregister(name);
  }

  /**
   * Reads tokens and certificate, opens logs, and listens.
   * @throws IscepError `configuration` for a file that is missing or wrong, `listen_failed` for an address that cannot
   *   be had, `usage` when called twice. Nothing is left open then.
   */
  async listen(): Promise<ListeningServer> {
    // A worker thread imports the module of its command, and that module may start the server that we came from.
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
    const certificate = await serverCertificate(options);
    let logs = await openLogs(options.logs, limits);
    let authenticator: TokensAuthenticator | undefined;
    let runs: OpenRuns | undefined;
    try {
      authenticator = openTokens(options.tokens, limits, logs);
      if (options.runsFolder !== undefined) runs = await openRuns(options.runsFolder, limits, logs);
      logs = runs?.logs ?? logs;
      if (logs !== undefined) logs = countRefusals(logs, limits);
      return await this.#open(certificate, logs, authenticator, runs);
    } catch (error) {
      authenticator?.close();
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
  ): Promise<ListeningServer> {
    const options = this.#options;
    const limits = this.#limits;
    const dispatcher = new Dispatcher({
      registry: this.#registry,
      limits,
      logs,
      store: runs?.store,
      history: runs?.history,
    });
    const file = options.runsFolder === undefined ? undefined : join(options.runsFolder, "schedule.json");
    const scheduler = new Scheduler({ registry: this.#registry, dispatcher, file, limits, logs });
    const admission = new Admission(limits, options.exemptLocalSources ?? true);
    const refusedPackets = new LineRate(limits);
    const refusedConnections = new LineRate(limits);
    const connections = new Set<Connection>();
    let connectionId = 0;
    const shared: Omit<ConnectionHost, "authenticator" | "upgraded"> = {
      dispatcher,
      limits,
      logs,
      work: new FairWork(limits.workSliceMs),
      awaited: (connection) => admission.awaited(connection),
      arrived: (connection) => admission.arrived(connection),
      failedToken: (source) => admission.failedToken(source, performance.now()),
      logRefusedPacket: (event, message, connection, source) => {
        if (logs === undefined) return;
        const line = refusedPackets.take(sourceKey(source), performance.now());
        if (line === undefined) return;
        logs.error({ event, message: message + suppressedText(line.suppressed), connection, source });
      },
      closed: (connection) => connections.delete(connection),
    };
    const hostOf = (identities: Authenticator | undefined): ConnectionHost => {
      const host: ConnectionHost = {
        ...shared,
        authenticator: identities,
        upgraded: (connection, socket, bytes) => {
          connections.delete(connection);
          connections.add(new Version2Connection(connection.id, socket, connection.source, host, bytes));
        },
      };
      return host;
    };
    const tokensHost = hostOf(authenticator);
    const listeners = await Listeners.open(placesOf(options), {
      certificate,
      backlog: limits.listenBacklog,
      tlsHandshakeTimeoutMs: limits.tlsHandshakeTimeoutMs,
      admit: (source) => {
        const decision = admission.admit(source, performance.now());
        if (decision.verdict !== "admit" && logs !== undefined) {
          const line = refusedConnections.take(sourceKey(source), performance.now());
          const reason = decision.verdict === "refuse" ? decision.reason : "dropped";
          if (line !== undefined)
            logs.access({ event: "refused", connection: 0, source, reason: reason + suppressedText(line.suppressed) });
        }
        return decision;
      },
      released: (source, refused) => admission.released(source, refused),
      // Silent handshakes are peers without a token too.
      handshakeBegan: (handshake) => {
        if (authenticator !== undefined) admission.awaited(handshake);
      },
      handshakeOver: (handshake) => admission.arrived(handshake),
      onConnection: (socket, source, refusal, tls) => {
        if (refusal !== undefined) {
          refuse(socket, refusal, limits.lingerTimeoutMs);
          return;
        }
        const id = ++connectionId;
        logs?.access({ event: "open", connection: id, source, ...portOf(socket), tls });
        const own = authenticatorOf(options, authenticator, socket, source);
        const host = own.authenticator === authenticator ? tokensHost : hostOf(own.authenticator);
        const why = own.authenticator?.refusal();
        if (why !== undefined) host.logRefusedPacket("unauthorized", why, id, source);
        if (why !== undefined && own.showedCertificate) host.failedToken(source);
        connections.add(
          choseVersion2(socket)
            ? new Version2Connection(id, socket, source, host)
            : new Version1Connection(id, socket, source, tls, host),
        );
      },
      onTlsFailure: (source, error) => shared.logRefusedPacket("malformed", tlsFault(error), 0, source),
    });
    const sweep = setInterval(() => {
      const nowMs = performance.now();
      for (const connection of connections) connection.checkDeadlines(nowMs);
    }, sweepIntervalMs(limits));
    this.#listening = { listeners, dispatcher, authenticator, logs, scheduler, runs, sweep, connections };
    this.#state = "listening";
    scheduler.begin();
    return listeners.address;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#listening?.connections.size ?? 0;
  }

  /** Reads the certificate again, for handshakes from now on. Tokens need no reload. @throws IscepError `configuration`; the old one stays. */
  async reload(): Promise<void> {
    const certificate = await serverCertificate(this.#options);
    if (certificate !== undefined) this.#listening?.listeners.setCertificate(certificate);
  }

  /**
   * Takes no more connections and starts no more runs, lets what is under way end within `graceMs` (default
   * `closeGraceMs`), then cancels it. Resolves when every run has ended and every file is closed, and no later than `killGraceMs`
   * and `lingerTimeoutMs` after the grace, whatever is stuck. Safe to call twice.
   */
  close(options: { readonly graceMs?: number } = {}): Promise<void> {
    return (this.#closed ??= this.#close(options.graceMs ?? this.#limits.closeGraceMs));
  }

  async #close(graceMs: number): Promise<void> {
    // Closed while it starts: what it opens has to be closed too. An error is told to the caller of `listen`.
    await this.#starting?.catch(() => undefined);
    const listening = this.#listening;
    this.#state = "closed";
    if (listening === undefined) return;
    listening.listeners.stopAccepting();
    for (const connection of listening.connections) connection.close();
    listening.scheduler.close();
    const { killGraceMs, lingerTimeoutMs } = this.#limits;
    const endsAtMs = performance.now() + graceMs + killGraceMs + lingerTimeoutMs;
    // The other half is for what is sent and written last.
    await listening.dispatcher.close(graceMs, killGraceMs + lingerTimeoutMs / 2);
    const leftMs = (): number => Math.max(0, endsAtMs - performance.now());
    await settled(drained(listening.connections), Math.min(lingerTimeoutMs, leftMs()));
    await listening.listeners.close();
    clearInterval(listening.sweep);
    listening.authenticator?.close();
    await settled(listening.runs?.close(), leftMs());
    await settled(listening.logs?.close(), leftMs());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The last answers are on their way. Peers that do not take them in time are cut when the listener closes. */
async function drained(connections: ReadonlySet<Connection>): Promise<void> {
  await Promise.all([...connections].map((connection) => connection.whenClosed()));
}

/** Waits for it, and no longer than this. What is written later, such as the end of a run of another server, is found by the next start. */
async function settled(work: Promise<void> | undefined, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
  await Promise.race([tooLate, work]).finally(() => clearTimeout(timer));
}

function openTokens(
  tokens: string | false | undefined,
  limits: Limits,
  logs: Logs | undefined,
): TokensAuthenticator | undefined {
  if (typeof tokens !== "string") return undefined;
  return openTokenStore(tokens, {
    limits,
    onProblem: (message, error) => logs?.error({ event: "tokens_file", message, error }),
  });
}

/** A quarter of the shortest timeout that the sweep serves, between 10 ms and a second. */
function sweepIntervalMs(limits: Limits): number {
  const shortest = Math.min(
    limits.authenticationTimeoutMs,
    limits.packetTimeoutMs,
    limits.idleTimeoutMs,
    limits.writeStallTimeoutMs,
    limits.lingerTimeoutMs,
  );
  return Math.min(1_000, Math.max(10, Math.floor(shortest / 4)));
}

/** OpenSSL's own text holds addresses and file names of its source; its code says as much. */
function tlsFault(error: Error): string {
  return `TLS: ${"code" in error && typeof error.code === "string" ? error.code : error.message}`;
}

function portOf(socket: Socket): { port?: number } {
  return socket.remotePort === undefined ? {} : { port: socket.remotePort };
}
