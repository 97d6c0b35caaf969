/** Sessions that somebody on the broker, who has no token, leads to another instance than the one that they are meant for. */
import { describe, expect, test } from "vitest";
import { connect, defineCommand, Server, type Client } from "iscep";
import { natsDoor } from "iscep/nats";
import { addToken } from "#iscep/identity/tokens-writer";
import { encodeBeat } from "#iscep/nats/beat";
import { subjects } from "#iscep/nats/subjects";
import { later } from "../../support/cleanup.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { openBroker } from "../../support/nats-service.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { until } from "../../support/until.js";

watchForLeaks();

const invented = "AAAAinvented";

async function serve(nats: NatsServer, name: string, tokens: string): Promise<{ runs: number }> {
  const counted = { runs: 0 };
  const wipe = defineCommand({ name: "wipe", run: () => `${name} ${++counted.runs}` });
  const server = new Server({ commands: [wipe], listen: [], doors: [natsDoor({ url: nats.url, name })], tokens });
  later(() => server.close({ graceMs: 0 }));
  await server.listen();
  return counted;
}

async function clientOf(nats: NatsServer, service: string, token: string): Promise<Client> {
  const client = await connect(`${nats.url}/${service}`, { token });
  later(() => client.close());
  return client;
}

/** Tells of an instance of `service` that there is not, and carries its links to the instance of another one, and back. */
async function leadTo(nats: NatsServer, service: string, target: string): Promise<{ readonly links: number }> {
  const led = { links: 0 };
  const evil = await openBroker(nats);
  later(() => evil.close());
  const beat = encodeBeat({
    instance: invented,
    version: "1.0.0",
    startedAt: Date.now(),
    state: "ready",
    running: 0,
    waiting: 0,
    places: 100_000,
    commands: 1,
  });
  const telling = setInterval(() => evil.publish(subjects.beat(service), beat), 100);
  later(() => clearInterval(telling));
  evil.subscribe(subjects.who(service), ({ reply = "" }) => evil.publish(reply, beat));
  evil.subscribe(subjects.session(service, invented), ({ data, reply: client = "" }) => {
    const own = `_INBOX.led${led.links}`;
    const front = subjects.link(service, invented, `led${String(led.links++).padStart(9, "0")}`);
    let instance = "";
    evil.subscribe(own, (message) => {
      instance = message.reply ?? "";
      evil.publish(client, message.data, front);
    });
    evil.subscribe(front, (message) => evil.publish(instance, message.data, own));
    evil.publish(target, data, own);
  });
  await evil.connection.flush();
  return led;
}

describe.skipIf(natsServerProgram === undefined)("a session that is led", () => {
  test.each(["production", "staging"])(
    "from staging to an instance of %s is not proven, and nothing runs there",
    async (other) => {
      const nats = await NatsServer.start();
      const tokens = `${temporaryFolder()}/tokens.json`;
      const { token } = await addToken(tokens, { owner: "ada" });
      const staging = await serve(nats, "staging", tokens);
      const production = await serve(nats, "production", tokens);
      const [target] = await (await clientOf(nats, other, token)).instances();
      const led = await leadTo(nats, "staging", subjects.session(other, target?.instance ?? ""));

      const client = await clientOf(nats, "staging", token);
      await until(async () => (await client.instances()).length === 2);
      for (let run = 1; run <= 6; run++) expect(await client.call("wipe")).toBe(`staging ${run}`);
      const outcomes = await client.all("wipe").outcomes;
      expect(outcomes.filter(({ outcome }) => outcome.status === "completed")).toMatchObject([{ value: "staging 7" }]);
      expect(outcomes.find(({ instance }) => instance === invented)?.outcome.status).toBe("rejected");
      expect(led.links).toBeGreaterThan(0);
      expect(staging.runs).toBe(7);
      expect(production.runs).toBe(0);
    },
  );
});
