import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { expect, test } from "vitest";
import { defaultLimits } from "iscep";
import { parseBrokerAddress } from "#iscep/nats/address";
import { Broker } from "#iscep/nats/broker";
import type { Link } from "#iscep/nats/links/link";
import { LinkDialler } from "#iscep/nats/links/dialler";
import { LinkListener } from "#iscep/nats/links/listener";
import { newId } from "#iscep/nats/subjects";
import { later } from "../support/cleanup.js";
import { NatsServer, natsServerProgram } from "../support/nats-server.js";
import { stallingProxy } from "../support/stalling-proxy.js";

async function brokerAt({ port }: { readonly port: number }): Promise<Broker> {
  const address = parseBrokerAddress(`nats://127.0.0.1:${port}`);
  const broker = await Broker.open({ address, name: "test", limits: { ...defaultLimits, lingerTimeoutMs: 40_000 } });
  later(() => broker.close());
  return broker;
}

test.skipIf(natsServerProgram === undefined)(
  "bytes cross a real broker both ways, and both ends are told",
  async () => {
    const server = await NatsServer.start();
    const [ours, theirs] = [await brokerAt(server), await brokerAt(server)];
    const instance = newId();
    const accepted = new Promise<Link>((accept) => {
      const listener = new LinkListener(theirs, "world", instance, defaultLimits, accept);
      later(() => listener.close());
    });
    await theirs.connection.flush();
    const dialler = new LinkDialler(ours, "world", defaultLimits);
    later(() => dialler.close());
    const link = dialler.open(instance);
    const sent = randomBytes(3_000_000);
    link.end(sent);
    const other = await accepted;
    const chunks: Buffer[] = [];
    other.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(other, "end");
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
    const back = once(link, "close");
    other.end("thanks");
    expect(String(await once(link, "data"))).toBe("thanks");
    await back;
  },
);

test.skipIf(natsServerProgram === undefined)("a link to an instance that is not there breaks at once", async () => {
  const server = await NatsServer.start();
  const ours = await brokerAt(server);
  const dialler = new LinkDialler(ours, "world", defaultLimits);
  later(() => dialler.close());
  const link = dialler.open(newId());
  link.write("hello");
  const [error] = (await once(link, "error")) as [Error];
  expect(error.message).toMatch(/not there any more/);
});

test.skipIf(natsServerProgram === undefined)(
  "a link that is on its way to an instance which begins to close is answered",
  async () => {
    const server = await NatsServer.start();
    const proxy = await stallingProxy(server.port);
    const [ours, theirs] = [await brokerAt(server), await brokerAt(proxy)];
    const instance = newId();
    let accepted = 0;
    const listener = new LinkListener(theirs, "world", instance, defaultLimits, () => accepted++);
    later(() => listener.close());
    await theirs.connection.flush();
    proxy.stall();
    const dialler = new LinkDialler(ours, "world", defaultLimits);
    later(() => dialler.close());
    const link = dialler.open(instance);
    link.write("hello");
    const broken = once(link, "error");
    await ours.connection.flush();
    const left = listener.stopAccepting();
    proxy.heal();
    const [error] = (await broken) as [Error];
    expect(error.message).toMatch(/the server closes/);
    await left;
    expect(accepted).toBe(0);
  },
);
