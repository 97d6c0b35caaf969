/** The permissions in docs/SCALING.md are enough for instances and callers, and no more than what they need. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { connect as connectNats, headers, type NatsConnection } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { connect, defineCommand, Server } from "iscep";
import { isNatsAnswer, natsDoor, natsProof } from "iscep/nats";
import { claimsSchedules } from "#iscep/doors/built-in-door";
import { addToken } from "#iscep/identity/tokens-writer";
import { later } from "../support/cleanup.js";
import { watchForLeaks } from "../support/leaks.js";
import { NatsServer, natsServerProgram } from "../support/nats-server.js";
import { knows } from "../support/nats-service.js";
import { writeTokens } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

watchForLeaks();

const config = /<!-- nats.conf -->\n\n```\n([\s\S]*?)\n```/.exec(readFileSync("docs/SCALING.md", "utf8"))?.[1] ?? "";
const inbox = "_INBOX_CALLER";

async function stage(): Promise<{ nats: NatsServer; servers: Server[]; token: string }> {
  const folder = temporaryFolder();
  const jetStream = `jetstream { store_dir: "${path.join(folder, "jetstream")}" }`;
  const nats = await NatsServer.start({ config: config.replace("jetstream: enabled", jetStream) });
  const tokens = path.join(folder, "tokens.json");
  writeTokens(tokens, {});
  const { token } = await addToken(tokens, { owner: "ada" });
  const servers: Server[] = [];
  for (let index = 0; index < 2; index++) {
    const url = `${nats.url}/world`;
    const where = defineCommand({ name: "where", run: () => index });
    const door = natsDoor({ url, user: "instance", password: "instance-secret" });
    const server = new Server({
      commands: [where],
      listen: [],
      tokens,
      doors: [door],
      logs: path.join(folder, `${index}`),
    });
    later(() => server.close({ graceMs: 0 }));
    await server.listen();
    await knows(server, token);
    servers.push(server);
  }
  return { nats, servers, token };
}

async function callerAt(nats: NatsServer): Promise<NatsConnection> {
  const connection = await connectNats({
    servers: nats.url,
    user: "caller",
    pass: "caller-secret",
    inboxPrefix: inbox,
  });
  later(() => connection.close());
  return connection;
}

describe.skipIf(natsServerProgram === undefined)("with the broker of the document", () => {
  test("sessions, requests, discovery, calls that wait and schedules need no more rights than these", async () => {
    const { nats, servers, token } = await stage();
    const url = `${nats.url.replace("nats://", "nats://caller:caller-secret@")}/world`;
    const client = await connect(url, { token, nats: { inboxPrefix: inbox } });
    later(() => client.close());
    expect([0, 1]).toContain(await client.call("where", {}));
    await expect.poll(() => client.instances()).toHaveLength(2);
    const run = client.run("where", {}, { detach: true, durable: true });
    expect([0, 1]).toContain(await run.value);

    const caller = await callerAt(nats);
    const info = await caller.request("$SRV.INFO.world", "", { timeout: 30_000 });
    expect(info.json()).toMatchObject({ name: "world", endpoints: [{ name: "call" }] });
    const sent = natsProof({ token, service: "world", command: "where" });
    const made = headers();
    made.set("Iscep-Proof", sent);
    const answer = await caller.request("iscep.world.call.where", "", { timeout: 30_000, headers: made });
    expect(answer.json()).toMatchObject({ status: "completed" });
    const proof = answer.headers?.get("Iscep-Proof") ?? "";
    expect(isNatsAnswer({ token, service: "world", command: "where", sent, proof, payload: answer.data })).toBe(true);
    const time = { command: "where", plannedMs: 1_700_000_000_000, isAlone: true };
    expect(servers).toHaveLength(2);
    const door = natsDoor({ url: `${nats.url}/world`, user: "instance", password: "instance-secret" });
    const third = new Server({ commands: [], listen: [], tokens: false, doors: [door] });
    later(() => third.close({ graceMs: 0 }));
    await third.listen();
    if (!claimsSchedules(door)) throw new Error("the door of NATS claims no schedules");
    expect(await door.claimSchedule(time)).toMatchObject({ kind: "ours" });
    // The broker has refused nothing.
    expect(nats.log).not.toMatch(/Violation/);
  });

  test("a caller can neither be an instance, nor hear what others send", async () => {
    const { nats } = await stage();
    const caller = await callerAt(nats);
    const subjects = [
      "iscep.world.call.>",
      "iscep.world.session.>",
      "iscep.world.link.>",
      "iscep.world.submit.>",
      "_INBOX.>",
    ];
    const refused = new Set<string>();
    for (const subject of subjects) {
      caller.subscribe(subject, {
        callback: (error) => {
          if (error !== null) refused.add(subject);
        },
      });
    }
    for (const subject of ["iscep.world.beat", "$KV.iscep_world.claim.x", "$JS.API.STREAM.DELETE.iscep_world"])
      caller.publish(subject, "x");
    await until(() => refused.size === subjects.length);
    const published = (): number => (nats.log.match(/Publish Violation/g) ?? []).length;
    await until(() => published() === 3);
    expect([...refused]).toEqual(expect.arrayContaining(subjects));
  });
});
