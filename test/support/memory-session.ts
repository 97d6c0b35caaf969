/** Both sides' real code, wired back to back through a network in memory: the doors and the dispatcher, the client and its sessions. */
import { Registry } from "#iscep/commands/registry";
import { negotiate } from "#iscep/client/protocol/negotiate";
import { TokenClients } from "#iscep/client/version2/token-clients";
import { Version2Client } from "#iscep/client/version2/client";
import { Version2ClientConnection } from "#iscep/client/version2/connection";
import { Version2ProtocolClient } from "#iscep/client/version2/protocol-client";
import { Dispatcher } from "#iscep/dispatcher";
import { resolveLimits, type Limits } from "#iscep/limits/limits";
import { Version1Connection } from "#iscep/doors/version1/connection";
import { Version2Connection } from "#iscep/doors/version2/connection";
import type { Connection, GreetedConnectionHost } from "#iscep/doors/connection";
import { FairWork } from "#iscep/doors/fair-work";
import { UnsentBytes } from "#iscep/doors/write-window";
import type { CommandEvent, CommandSet, IscepError, Logs } from "iscep";
import type { MemoryNetwork } from "./memory-network.js";

export interface MemoryServer {
  readonly dispatcher: Dispatcher;
  /** Each end of a run. */
  readonly ended: CommandEvent[];
  /** Why peers were sent away. */
  readonly refused: string[];
  /** Why sessions of clients ended, but for their own close. */
  readonly lost: IscepError[];
  client(): MemoryClient;
  close(): Promise<void>;
}

export interface MemoryClient {
  readonly protocolClient: Version2ProtocolClient;
  readonly client: Version2Client;
}

export function memoryServer(network: MemoryNetwork, commands: CommandSet, changes: Partial<Limits>): MemoryServer {
  const limits = resolveLimits(changes);
  const ended: CommandEvent[] = [];
  const refused: string[] = [];
  const lost: IscepError[] = [];
  const connections = new Set<Connection>();
  const logs: Logs = {
    access: () => {},
    error: () => {},
    command: (event) => {
      if ((event.status as string) !== "running") ended.push(event);
    },
    close: async () => {},
  };
  const dispatcher = new Dispatcher({ registry: new Registry(commands), limits, logs });
  const host: GreetedConnectionHost = {
    dispatcher,
    authenticator: undefined,
    endPointBinding: true,
    limits,
    logs: undefined,
    work: new FairWork(limits.workSliceMs, (error) => {
      throw error;
    }),
    unsent: new UnsentBytes(limits),
    servesHttp: () => false,
    awaited: () => {},
    arrived: () => {},
    failedToken: () => {},
    logRefusedPacket: (_event, message) => void refused.push(message),
    closed: (connection) => void connections.delete(connection),
    greeted: (connection, socket, greeting) => {
      connections.delete(connection);
      connections.add(new Version2Connection(connection.id, socket, connection.source, host, greeting));
    },
    askedByHttp: () => {},
  };
  const dial = async (signal?: AbortSignal) => {
    const [near, far] = network.connect();
    connections.add(new Version1Connection(network.connections, far, "memory", false, host));
    const negotiated = await negotiate(near, { limits, timeoutMs: 10_000, signal });
    if (negotiated.version !== 2) throw new Error("the server did not speak version 2");
    return { socket: near, negotiated };
  };
  const clients: Version2Client[] = [];
  return {
    dispatcher,
    ended,
    refused,
    lost,
    client() {
      const client = new Version2Client({
        limits,
        open: async (events, signal) => {
          return new Version2ClientConnection({
            ...(await dial(signal)),
            token: undefined,
            limits,
            onEvent: events.onEvent,
            onGone: (error, nothingRan) => {
              lost.push(error);
              events.onGone(error, nothingRan);
            },
          });
        },
      });
      clients.push(client);
      const own = new TokenClients(client, undefined, limits, () => client);
      const protocolClient = new Version2ProtocolClient({
        version: 2,
        clients: own,
        limits,
        timeoutMs: 60_000,
        timeoutIsGiven: false,
      });
      return { protocolClient, client };
    },
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      await dispatcher.close(0);
      for (const connection of connections) connection.close();
      await Promise.all([...connections].map((connection) => connection.whenClosed()));
    },
  };
}
