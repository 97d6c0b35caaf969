/** Instances of a service on a real broker, and callers who have no session with them. */
import path from "node:path";
import { headers, type Msg } from "@nats-io/transport-node";
import { defaultLimits, Server, type CommandSet, type ServerOptions } from "iscep";
import { natsDoor } from "#iscep/doors/nats/door";
import { parseBrokerAddress } from "#iscep/nats/address";
import { Broker } from "#iscep/nats/broker";
import { decodeBeat, type Beat } from "#iscep/nats/beat";
import { later } from "./cleanup.js";
import { originalTasks } from "./commands.js";
import type { NatsServer } from "./nats-server.js";
import { writeTokens } from "./servers.js";
import { temporaryFolder } from "./temporary-folder.js";
import { until } from "./until.js";

export interface Instance {
  readonly server: Server;
  readonly id: string;
  readonly folder: string;
  readonly tokensFile: string;
}

export interface InstanceOptions extends Omit<ServerOptions, "tokens"> {
  /** Default false: everybody may call. */
  readonly tokens?: Readonly<Record<string, unknown>> | false;
  /** Several instances share one tokens file. */
  readonly tokensFile?: string;
}

/** On a busy machine, an instance is not gone because it, the broker or the test stands still for some seconds. */
const patient = { natsGoneMs: 60_000, natsHandOverMs: 15_000 };

/** @param port where the instance finds the broker, such as that of a proxy */
export async function startInstance(
  nats: NatsServer,
  options: InstanceOptions = {},
  port = nats.port,
): Promise<Instance> {
  const { tokens: owners = false, ...rest } = options;
  const folder = temporaryFolder();
  const tokensFile = options.tokensFile ?? path.join(folder, "tokens.json");
  if (owners !== false) writeTokens(tokensFile, owners);
  const { tokensFile: _file, ...serverOptions } = rest;
  const broker = await openBroker(nats);
  const heard: string[] = [];
  broker.subscribe("iscep.world.beat", ({ data }) => heard.push(decodeBeat(data).instance));
  await broker.connection.flush();
  const server = new Server({
    commands: originalTasks as CommandSet,
    listen: [],
    logs: path.join(folder, "logs"),
    ...serverOptions,
    limits: { ...patient, ...serverOptions.limits },
    doors: [natsDoor({ url: `nats://127.0.0.1:${port}`, name: "world" }), ...(serverOptions.doors ?? [])],
    tokens: owners === false && options.tokensFile === undefined ? false : tokensFile,
  });
  later(() => server.close({ graceMs: 0 }));
  await server.listen();
  const known = knownInstances.get(nats) ?? new Set();
  knownInstances.set(nats, known);
  await until(() => heard.some((instance) => !known.has(instance)));
  const id = heard.find((instance) => !known.has(instance)) ?? "";
  known.add(id);
  await broker.close();
  return { server, id, folder, tokensFile };
}

/** Resolves when the server has read its tokens file since the token was added. */
export async function knows(server: Server, token: string): Promise<void> {
  const client = server.client({ source: "test", token });
  await until(() =>
    client.list().then(
      () => true,
      () => false,
    ),
  );
  await client.close();
}

const knownInstances = new WeakMap<NatsServer, Set<string>>();

export async function openBroker(nats: NatsServer): Promise<Broker> {
  return Broker.open({ address: parseBrokerAddress(nats.url), name: "test", limits: defaultLimits });
}

/** The beat of an instance that answers. The broker may hear our question before it hears that an instance is there. */
export async function whoAnswers({ connection }: Broker): Promise<Beat> {
  let beat: Beat | undefined;
  await until(async () => {
    const answer = await connection.request("iscep.world.who", "", { timeout: 20_000 }).catch(() => undefined);
    beat = answer === undefined ? undefined : decodeBeat(answer.data);
    return beat !== undefined;
  }, "no instance answers");
  return beat!;
}

export interface Answer {
  readonly message: Msg;
  /** The payload, read as JSON. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly status: number;
}

export interface PlainCaller {
  readonly broker: Broker;
  request(subject: string, payload?: string | Uint8Array, more?: Readonly<Record<string, string>>): Promise<Answer>;
}

export async function plainCaller(nats: NatsServer): Promise<PlainCaller> {
  const broker = await openBroker(nats);
  later(() => broker.close());
  return {
    broker,
    async request(subject, payload = "", more = {}) {
      const made = headers();
      for (const [name, value] of Object.entries(more)) made.set(name, value);
      const message = await broker.connection.request(subject, payload, { timeout: 20_000, headers: made });
      const status = Number(message.headers?.get("Nats-Service-Error-Code") || 200);
      return { message, body: JSON.parse(message.string()) as Answer["body"], status };
    },
  };
}
