/** Servers whose clocks are wrong by one or two minutes. What is within the tolerance works, and the rest says what to do. */
import { once } from "node:events";
import path from "node:path";
import { headers } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { connect } from "iscep";
import { natsProof } from "iscep/nats";
import { later } from "../../support/cleanup.js";
import { errorOf } from "../../support/error-of.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { openBroker } from "../../support/nats-service.js";
import { startProgram } from "../../support/programs.js";
import { tokens, writeTokens } from "../../support/servers.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const token = tokens.alice;

/** What a caller with the right time hears of a server with this clock. */
async function heard(nats: NatsServer, tokensFile: string, aheadS: number): Promise<object> {
  const service = `clock${aheadS}`;
  const program = startProgram("nats-skewed", `${nats.url}/${service}`, String(aheadS * 1_000), tokensFile);
  if (program.stdout !== null) await once(program.stdout, "data");
  // The server ends its run at the timeout, however late the machine is.
  const client = await connect(`${nats.url}/${service}`, { token, limits: { answerGraceMs: 20_000 } });
  later(() => client.close());
  const [instance] = await client.instances();
  const keyed = { idempotencyKey: "night" };
  const session = [
    await client.call("count"),
    await client.call("count", {}, keyed),
    await client.call("count", {}, keyed),
  ];
  const slow = await errorOf(client.call("hang", {}, { timeoutMs: 200 }));
  const durable = await client.run("count", {}, { detach: true, durable: true }).outcome;

  const broker = await openBroker(nats);
  later(() => broker.close());
  const made = headers();
  made.set("Iscep-Proof", natsProof({ token, service, command: "count" }));
  const subject = `iscep.${service}.call.count`;
  const answer = await broker.connection.request(subject, "", { timeout: 20_000, headers: made });
  const { status, detail } = answer.json<{ status: unknown; detail?: string }>();
  return {
    session,
    slow: (slow as { code?: string }).code,
    isThere: instance?.state,
    durable: durable.status,
    request: detail ?? status,
  };
}

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("sessions, keys and deadlines work whatever the clocks say, and proofs within the tolerance", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const tokensFile = path.join(temporaryFolder(), "tokens.json");
    writeTokens(tokensFile, tokens);
    const told = await Promise.all([-120, -60, 60, 120].map(async (aheadS) => heard(nats, tokensFile, aheadS)));
    const fine = { session: [1, 2, 2], slow: "timeout", isThere: "ready", durable: "completed", request: "completed" };
    const refused = (how: string): unknown =>
      expect.stringMatching(
        new RegExp(`its time is 1[12]\\d s ${how} the server's clock, and may differ by at most 90 s.*set the clock`),
      );
    expect(told).toEqual([
      // The call seems to come from the future. One that waited may be old.
      { ...fine, durable: "rejected", request: refused("ahead of") },
      fine,
      fine,
      { ...fine, request: refused("behind") },
    ]);
  });
});
