/**
 * Two services that were given one name in one account of the broker. Nothing runs at the wrong one, and every caller
 * gets an answer.
 */
import { headers } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { connect, defineCommand, type Client } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import { natsProof } from "iscep/nats";
import { later } from "../../support/cleanup.js";
import { errorOf } from "../../support/error-of.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { knows, plainCaller, startInstance, type Instance } from "../../support/nats-service.js";

const where = (place: string) => defineCommand({ name: "where", run: () => place });
const only = (place: string) => defineCommand({ name: `only-${place}`, run: () => place });
const durable = { detach: true, durable: true } as const;

async function clientOf(nats: NatsServer, token?: string): Promise<Client> {
  const client = await connect(`${nats.url}/world`, token === undefined ? {} : { token });
  later(() => client.close());
  return client;
}

async function owned(instance: Instance, owner: string): Promise<string> {
  const { token } = await addToken(instance.tokensFile, { owner });
  await knows(instance.server, token);
  return token;
}

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("with other tokens: a session reaches its own, and all else is refused at the other one", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const ours = await startInstance(nats, { commands: [where("ours")], tokens: {} });
    const theirs = await startInstance(nats, { commands: [where("theirs")], tokens: {} });
    const token = await owned(ours, "ada");
    await owned(theirs, "bob");
    const client = await clientOf(nats, token);
    const values = await Promise.all(Array.from({ length: 20 }, () => client.call("where")));
    expect(new Set(values)).toEqual(new Set(["ours"]));
    expect(await errorOf(client.call("where", {}, { to: theirs.id }))).toMatchObject({ code: "unauthorized" });
    const outcomes = (await client.all("where").outcomes).map(({ instance, outcome, value }) => [
      instance,
      "error" in outcome ? outcome.error.code : value,
    ]);
    expect(outcomes.toSorted()).toEqual(
      [
        [ours.id, "ours"],
        [theirs.id, "unauthorized"],
      ].toSorted(),
    );

    const caller = await plainCaller(nats);
    const request = async (): Promise<unknown> => {
      const made = headers();
      made.set("Iscep-Proof", natsProof({ token, service: "world", command: "where" }));
      const sent = { headers: made, timeout: 20_000 };
      const answer = await caller.broker.connection.request("iscep.world.call.where", "", sent);
      const { code, value } = answer.json<{ code?: unknown; value?: unknown }>();
      return code ?? value;
    };
    const submit = async (): Promise<unknown> => {
      const outcome = await client.run("where", {}, durable).outcome;
      return "error" in outcome ? outcome.error.code : outcome.value;
    };
    const times = [1, 2, 3];
    const [requests, calls] = await Promise.all([
      Promise.all(times.flatMap(() => [request(), request()])),
      Promise.all(times.map(submit)),
    ]);
    expect(requests.filter((one) => one !== "ours" && one !== "unauthorized")).toEqual([]);
    // The other one drops it, as it drops what somebody without a token has invented.
    expect(calls.filter((one) => one !== "ours" && one !== "run_not_found")).toEqual([]);
  });

  test("with other commands: each call finds an instance that has its command", async () => {
    const nats = await NatsServer.start();
    for (const place of ["here", "there"]) await startInstance(nats, { commands: [only(place), where(place)] });
    const client = await clientOf(nats);
    for (let times = 0; times < 5; times++) {
      expect(await client.call("only-here")).toBe("here");
      expect(await client.call("only-there")).toBe("there");
    }
    expect((await client.list()).map(({ name }) => name).sort()).toEqual(["only-here", "only-there", "where"]);
    expect(await errorOf(client.call("nowhere"))).toMatchObject({ code: "command_not_found" });
    // A request without a session goes to any of them.
    const caller = await plainCaller(nats);
    const { body } = await caller.request("iscep.world.call.only-here");
    expect(["here", "command_not_found"]).toContain(body["code"] ?? body["value"]);
  });
});
