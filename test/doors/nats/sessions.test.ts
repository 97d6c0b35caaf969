/** Links are connections of the server as any other: counted, logged, bounded, drained. */
import { describe, expect, test } from "vitest";
import { connect, defaultLimits, Server, type AccessEvent, type Client, type Logs, type ServerOptions } from "iscep";
import { natsDoor } from "iscep/nats";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import { parseBrokerAddress } from "#iscep/nats/address";
import { Broker } from "#iscep/nats/broker";
import { LinkDialler } from "#iscep/nats/links/dialler";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { whoAnswers } from "../../support/nats-service.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { until } from "../../support/until.js";

watchForLeaks();

async function serve(nats: NatsServer, options: ServerOptions = {}): Promise<Server> {
  const doors = [natsDoor({ url: nats.url, name: "world" })];
  const server = new Server({ commands: originalTasks, listen: [], doors, ...options });
  later(() => server.close({ graceMs: 0 }));
  await server.listen();
  return server;
}

async function call(nats: NatsServer, token?: string): Promise<Client> {
  const client = await connect(`${nats.url}/world`, token === undefined ? {} : { token });
  later(() => client.close());
  return client;
}

async function withTokens() {
  const tokens = `${temporaryFolder()}/tokens.json`;
  const { token } = await addToken(tokens, { owner: "ada" });
  return { tokens, token };
}

describe.skipIf(natsServerProgram === undefined)("a session over a broker", () => {
  test("is counted by its door, and has its lines in access.log, with its owner", async () => {
    const nats = await NatsServer.start();
    const lines: AccessEvent[] = [];
    const logs: Logs = { access: (line) => void lines.push(line), error() {}, command() {}, close: async () => {} };
    const { tokens, token } = await withTokens();
    const server = await serve(nats, { tokens, logs });
    const client = await call(nats, token);
    expect(await client.call("noargs")).toBe("ok");
    expect(server.metrics()).toContain('iscep_connections{door="nats"} 1\n');
    expect(Number(/^iscep_received_bytes_total (\d+)$/m.exec(server.metrics())?.[1])).toBeGreaterThan(100);
    expect(server.connections).toBe(1);
    await client.close();
    await until(() => server.connections === 0);
    expect(lines).toMatchObject([
      { event: "open", connection: 1, source: "nats" },
      { event: "close", connection: 1, source: "nats", owner: "ada" },
    ]);
  });

  test("whose server closes gets the answers to what is under way, and no new call begins there", async () => {
    const nats = await NatsServer.start();
    const slow = gate();
    const server = await serve(nats, { commands: [slow.command] });
    const client = await call(nats);
    const underWay = client.call("gate", { tag: "first" });
    await slow.started(1);
    const closed = server.close();
    await until(async () => (await client.instances()).every(({ state }) => state !== "ready"));
    expect((await errorOf(client.call("gate"))).code).toMatch(/busy|closed|connect_failed/);
    slow.open();
    expect(await underWay).toBe("first");
    await closed;
    expect(slow.state.started).toBe(1);
  });

  test("that shows no token makes room for others, the oldest first", async () => {
    const nats = await NatsServer.start();
    const { tokens, token } = await withTokens();
    const server = await serve(nats, { tokens, limits: { natsMaxStrangers: 5 } });
    const broker = await Broker.open({ address: parseBrokerAddress(nats.url), name: "many", limits: defaultLimits });
    later(() => broker.close());
    const { instance } = await whoAnswers(broker);
    const dialler = new LinkDialler(broker, "world", defaultLimits);
    later(() => dialler.close());
    const strangers = Array.from({ length: 20 }, () => dialler.open(instance));
    for (const link of strangers) link.write(Buffer.alloc(4));
    await until(() => strangers.filter(({ destroyed }) => destroyed).length === 15);
    expect(strangers.slice(0, 15).every(({ destroyed }) => destroyed)).toBe(true);
    expect(server.connections).toBe(5);
    expect(await (await call(nats, token)).call("noargs")).toBe("ok");
  });

  test("ends when its token is removed", async () => {
    const nats = await NatsServer.start();
    const { tokens, token } = await withTokens();
    await serve(nats, { tokens });
    const client = await call(nats, token);
    expect(await client.call("noargs")).toBe("ok");
    await removeToken(tokens, "ada");
    // A call that meets the end of the session on its way is lost.
    let code = "lost";
    while (code === "lost") ({ code } = await errorOf(client.call("noargs")));
    expect(code).toBe("unauthorized");
  });
});
