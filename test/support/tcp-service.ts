/** A service whose instances are real servers on loopback, found without a broker: the test says what they tell. */
import { connect as connectNet, createServer, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";
import { IscepError } from "iscep";
import { ClusterClient } from "#iscep/client/cluster/cluster-client";
import type { Service, ServiceListener } from "#iscep/client/cluster/service";
import { ConnectedClient, type Client } from "#iscep/client/client";
import { ConnectionEvents } from "#iscep/client/protocol/connection-events";
import { resolveLimits, type Limits } from "#iscep/limits/limits";
import { packageVersion } from "#iscep/version";
import { later } from "./cleanup.js";
import { startServer, tokens, type TestServer, type TestServerOptions } from "./servers.js";

type Beat = Parameters<ServiceListener["beat"]>[0];

export interface TestInstance extends TestServer {
  readonly instance: string;
  /** It tells of itself no more. */
  isSilent: boolean;
  /** Tells all clients; it goes on to say the same. */
  tell(change?: Partial<Beat>): void;
  /** It ends what is under way, and then it is gone. */
  leave(): Promise<void>;
  /** It closes without a word. */
  crash(): Promise<void>;
}

export interface TestService {
  readonly instances: readonly TestInstance[];
  add(options?: TestServerOptions): Promise<TestInstance>;
  client(options?: {
    readonly limits?: Partial<Limits>;
    readonly token?: string;
    readonly timeoutMs?: number;
  }): Promise<Client>;
  /** Tells this of an instance that does not exist. A client that connects to it hears nothing. */
  invent(beat: Partial<Beat> & { readonly instance: string }): void;
  /** Cuts the connections to instances; new ones are made once `whenTheyMay` has resolved. */
  breakLinks(whenTheyMay?: Promise<void>): Promise<void>;
  /** What instances send to clients arrives when the function that this returns is called. */
  holdLinks(): () => void;
  /** All that is heard of instances, from now on. */
  cut(): void;
  heal(): void;
}

class TcpService implements Service {
  readonly name = "world";
  listener: ServiceListener | undefined;
  fault: ReturnType<Service["unreachable"]>;
  readonly links = new Set<Socket>();
  mayDial = Promise.resolve();
  readonly #instances: readonly TestInstance[];

  readonly #silentPort: number;

  constructor(instances: readonly TestInstance[], silentPort: number) {
    this.#instances = instances;
    this.#silentPort = silentPort;
  }

  unreachable(): ReturnType<Service["unreachable"]> {
    return this.fault;
  }

  listen(listener: ServiceListener): void {
    this.listener = listener;
  }

  async ask(): Promise<boolean> {
    await Promise.resolve();
    for (const instance of this.#instances) if (!instance.isSilent) instance.tell();
    return this.#instances.some(({ isSilent }) => !isSilent);
  }

  async dial(instance: string) {
    const port = this.#instances.find((each) => each.instance === instance)?.port ?? this.#silentPort;
    await this.mayDial;
    const socket = connectNet({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    this.links.add(socket);
    return socket;
  }

  close(): Promise<void> {
    this.listener = undefined;
    return Promise.resolve();
  }
}

/** @param servers the options of each instance */
export async function startService(servers: readonly TestServerOptions[] = []): Promise<TestService> {
  const instances: TestInstance[] = [];
  const services = new Set<TcpService>();
  const silentPort = await listenInSilence();
  const beating = setInterval(() => {
    for (const instance of instances) if (!instance.isSilent) instance.tell();
  }, 200);
  later(() => clearInterval(beating));
  const add = async (options: TestServerOptions = {}): Promise<TestInstance> => {
    const server = await startServer(options);
    let beat: Beat = {
      instance: `instance${String(instances.length + 1).padStart(4, "0")}`,
      version: packageVersion,
      startedAt: Date.now(),
      state: "ready",
      running: 0,
      waiting: 0,
      places: options.limits?.maxRuns ?? 64,
      commands: 1,
    };
    const instance: TestInstance = {
      ...server,
      instance: beat.instance,
      isSilent: false,
      tell(change = {}) {
        beat = { ...beat, ...change };
        for (const { listener, fault } of services) if (fault === undefined) listener?.beat(beat);
      },
      async leave() {
        await server.server.close({ graceMs: 1_000 });
        instance.isSilent = true;
      },
      async crash() {
        instance.isSilent = true;
        await server.server.close({ graceMs: 0 });
      },
    };
    instances.push(instance);
    instance.tell();
    return instance;
  };
  for (const options of servers) await add(options);
  return {
    instances,
    add,
    client: (options = {}) => {
      const service = new TcpService(instances, silentPort);
      services.add(service);
      const { token = tokens.alice, timeoutMs } = options;
      // It is the server that ends a run at its timeout. The client must not give it up before, because the machine may
      // be busy.
      const limits = resolveLimits({ answerGraceMs: 20_000, ...options.limits });
      const events = new ConnectionEvents();
      const cluster = new ClusterClient({
        service,
        limits,
        token,
        timeoutMs: timeoutMs ?? limits.callTimeoutMs,
        timeoutIsGiven: timeoutMs !== undefined,
        events,
      });
      const client: Client = new ConnectedClient(cluster, events);
      later(() => client.close());
      return Promise.resolve(client);
    },
    invent(change) {
      const beat: Beat = {
        version: packageVersion,
        startedAt: Date.now(),
        state: "ready",
        running: 0,
        waiting: 0,
        places: Number.MAX_SAFE_INTEGER,
        commands: 1,
        ...change,
      };
      for (const { listener } of services) listener?.beat(beat);
    },
    async breakLinks(whenTheyMay = Promise.resolve()) {
      for (const service of services) service.mayDial = whenTheyMay;
      const links = [...services].flatMap((service) => [...service.links].filter(({ destroyed }) => !destroyed));
      for (const service of services) service.links.clear();
      await Promise.all(links.map((link) => once(link.destroy(), "close")));
    },
    holdLinks() {
      const links = Array.from(services, (service) => Array.from(service.links)).flat();
      for (const link of links) link.pause();
      return () => {
        for (const link of links) link.resume();
      };
    },
    cut() {
      for (const service of services) {
        service.fault = lostBroker();
        service.listener?.lost(lostBroker());
      }
    },
    heal() {
      for (const service of services) {
        service.fault = undefined;
        service.listener?.back();
      }
    },
  };
}

async function listenInSilence(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on("error", () => {}).resume()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  later(async () => {
    for (const socket of sockets) socket.destroy();
    const closed = once(server, "close");
    server.close();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

function lostBroker() {
  return new IscepError("connect_failed", "the broker is not there now");
}
