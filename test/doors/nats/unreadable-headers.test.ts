/** Headers that the library cannot read stop no reading: instances, clients and questions to the broker go on. */
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { connect, defaultLimits, defineCommand } from "iscep";
import { callSubjects } from "#iscep/nats/call-subjects";
import type { Broker } from "#iscep/nats/broker";
import { durableState, submitDurable } from "#iscep/nats/queue/durable";
import { subjects } from "#iscep/nats/subjects";
import { later } from "../../support/cleanup.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { openBroker, plainCaller, startInstance } from "../../support/nats-service.js";
import { readLogs } from "../../support/servers.js";
import { until } from "../../support/until.js";

watchForLeaks();

const hi = defineCommand({ name: "hi", run: () => "hi" });

const every = Array.from({ length: 256 }, (_, code) => Buffer.of(code));
const blocks = [
  ...every.map((byte) => around("NATS/1.0\r\na", byte, "b: 1\r\n\r\n")),
  ...every.map((byte) => around("NATS/1.0\r\na: 1", byte, "2\r\n\r\n")),
  ...every.map((byte) => around("NATS/1.0", byte, "\r\n\r\n")),
  ...["", "\r\n", "NATS/1.0", "NATS/1.0\r\n", "NATS/1.0\r\nno colon\r\n\r\n", "\r\n\r\n\r\n", ":", "\r\n:\r\n"].map(
    (text) => Buffer.from(text),
  ),
  // The library's work for so many would take half a minute.
  Buffer.from(`NATS/1.0\r\n${Array.from({ length: 40_000 }, (_, index) => `a${index}:\r\n`).join("")}\r\n`),
];
const bad = Buffer.from("NATS/1.0\r\nbad name: 1\r\n\r\n");
const badValue = Buffer.from("NATS/1.0\r\nIdempotency-Key: a\rb\r\n\r\n");

function around(before: string, byte: Buffer, after: string): Buffer {
  return Buffer.concat([Buffer.from(before), byte, Buffer.from(after)]);
}

/** Publishes what no library lets through. */
async function hostile(nats: NatsServer) {
  const socket = connectSocket(nats.port, "127.0.0.1");
  later(() => void socket.destroy());
  await once(socket, "data");
  socket.write('CONNECT {"verbose":false,"headers":true,"echo":false}\r\n');
  return {
    publish(subject: string, headers: Buffer, payload = "{}"): void {
      const sizes = `${headers.length} ${headers.length + payload.length}`;
      socket.write(`HPUB ${subject} _INBOX.hostile ${sizes}\r\n`);
      socket.write(Buffer.concat([headers, Buffer.from(`${payload}\r\n`)]));
    },
    /** The broker has taken all of it. */
    async flushed(): Promise<void> {
      socket.write("PING\r\n");
      let text = "";
      while (!text.includes("PONG")) text += String((await once(socket, "data"))[0]);
      expect(text).not.toContain("-ERR");
    },
  };
}

/** All subjects that are used, also the inboxes, which only their owners should know. */
async function spied(nats: NatsServer): Promise<{ seen: Set<string>; broker: Broker }> {
  const broker = await openBroker(nats);
  later(() => broker.close());
  const seen = new Set<string>();
  broker.subscribe(">", ({ subject, reply }) => {
    for (const name of [subject, reply]) if (name !== undefined && name !== "") seen.add(name);
  });
  await broker.connection.flush();
  return { seen, broker };
}

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("every subject and every inbox goes on being read", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const { seen } = await spied(nats);
    const { id, server } = await startInstance(nats, { commands: [hi] });
    const client = await connect(`${nats.url}/world`);
    later(() => client.close());
    const plain = await plainCaller(nats);
    const ask = async () => {
      expect(await client.call("hi", {}, { timeoutMs: 10_000 })).toBe("hi");
      for (const subject of [callSubjects.call("world", "hi"), callSubjects.to("world", id, "hi"), "$SRV.PING.world"])
        expect((await plain.request(subject)).status).toBe(200);
      expect(await client.instances()).toMatchObject([{ instance: id }]);
      const unknown = "01890000-0000-7000-8000-000000000000";
      expect(await durableState(plain.broker, "world", unknown, { natsHandOverMs: 15_000 })).toEqual({
        state: "unknown",
      });
    };
    await ask();
    const evil = await hostile(nats);
    for (const subject of seen) {
      // The session is broken by a message that looks as if nobody was there, which the broker itself sends so.
      if (subject.startsWith(subjects.session("world", "")) || subject.startsWith("$JS.")) continue;
      // A stranger's message on a live link would break the link, whatever its headers are.
      const unlinked = /^(?:iscep\.world\.link|_INBOX\.[^.]+)\./.test(subject)
        ? subject.replace(/[^.]+$/, "x")
        : subject;
      for (const block of [bad, badValue]) evil.publish(unlinked, block, "");
    }
    for (const block of blocks) evil.publish(callSubjects.to("world", id, "hi"), block);
    evil.publish(subjects.session("world", id), bad);
    await evil.flushed();
    await ask();
    expect(server.unready()).toBeUndefined();
  });

  test("a call in the queue is dropped, and those behind it begin", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const { broker } = await spied(nats);
    const call = { service: "world", command: "hi", payload: "{}" };
    const first = await submitDurable(broker, call, defaultLimits);
    const evil = await hostile(nats);
    evil.publish(callSubjects.submit("world", "01890000-0000-7000-8000-000000000000", "hi"), bad);
    await evil.flushed();
    const second = await submitDurable(broker, call, defaultLimits);
    const { folder } = await startInstance(nats, { commands: [hi] });
    for (const run of [first, second])
      await until(async () => (await durableState(broker, "world", run, defaultLimits))?.state === "ended");
    const logs = path.join(folder, "logs");
    await until(() => readLogs(logs).includes("a durable call was dropped"));
    expect(readLogs(logs)).not.toContain("durable calls are not taken");
  });
});
