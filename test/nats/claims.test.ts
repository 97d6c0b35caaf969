/** Claims wait for a bucket that is being made, and go on when the broker has lost it, as one that came back without its disk. */
import { jetstreamManager } from "@nats-io/jetstream";
import { describe, expect, test } from "vitest";
import { Claims } from "#iscep/nats/queue/claims";
import { errorOf } from "../support/error-of.js";
import { watchForLeaks } from "../support/leaks.js";
import { NatsServer, natsServerProgram } from "../support/nats-server.js";
import { plainCaller } from "../support/nats-service.js";
import { until } from "../support/until.js";

watchForLeaks();

const uses: Record<string, (claims: Claims) => Promise<unknown>> = {
  claim: (claims) => claims.claim("key", "new"),
  get: (claims) => claims.get("key"),
  set: (claims) => claims.set("key", "new"),
  release: (claims) => claims.release("key", "old"),
};

describe.skipIf(natsServerProgram === undefined)("with a broker whose bucket is removed", () => {
  test.for(Object.entries(uses))("%s fails once, and then the bucket is made again", async ([, use]) => {
    const { broker } = await plainCaller(await NatsServer.start({ jetStream: true }));
    const { streams } = await jetstreamManager(broker.connection);
    const claims = new Claims(broker, "lost", { keepMs: 60_000, maxClaims: 20 });
    await claims.claim("key", "old");
    await streams.delete("KV_lost");
    expect(await errorOf(use(claims))).toMatchObject({ code: "busy" });
    await use(claims);
    expect((await streams.info("KV_lost")).config.max_msgs).toBe(20);
    await claims.set("key", "newer");
    expect(await claims.claim("key", "late")).toBe("newer");
  });
});

test.skipIf(natsServerProgram === undefined)(
  "a claim waits for a bucket that the broker tells of and does not listen for yet",
  async () => {
    const { broker } = await plainCaller(await NatsServer.start({ jetStream: true }));
    const { streams } = await jetstreamManager(broker.connection);
    await streams.add({ name: "KV_slow", subjects: ["elsewhere"], discard: "new", allow_rollup_hdrs: true });
    let unheard = 0;
    const { request } = broker.connection;
    broker.connection.request = async (subject, ...rest) => {
      const answer = request.call(broker.connection, subject, ...rest);
      if (subject.startsWith("$KV.")) await answer.catch(() => unheard++);
      return answer;
    };
    const claims = new Claims(broker, "slow", { keepMs: 60_000, maxClaims: 20 });
    const claimed = claims.claim("key", "text");
    claimed.catch(() => {});
    await until(() => unheard > 0, "the claim asked nobody");
    await streams.update("KV_slow", { subjects: ["$KV.slow.>"] });
    expect(await claimed).toBe("text");
    expect((await streams.info("KV_slow")).state.messages).toBe(1);
  },
);
