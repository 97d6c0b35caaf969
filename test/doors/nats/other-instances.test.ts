/** What an instance knows of the others, on a bus where anybody may invent beats. */
import { describe, expect, test } from "vitest";
import { defaultLimits } from "iscep";
import { OtherInstances } from "#iscep/doors/nats/parts/other-instances";
import { encodeBeat, type Beat } from "#iscep/nats/beat";
import { later } from "../../support/cleanup.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { plainCaller } from "../../support/nats-service.js";
import { until } from "../../support/until.js";

watchForLeaks();

function beat(instance: string, state: Beat["state"] = "ready"): Buffer {
  return encodeBeat({ instance, version: "1", startedAt: 1, state, running: 0, waiting: 0, places: 1, commands: 1 });
}

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("one that is silent is gone, but not while a flood of beats drowns the others", async () => {
    // Silence ends an instance only when the test says so, as a busy machine may stand still for some seconds.
    const patientMs = 60_000;
    const limits = { ...defaultLimits, natsGoneMs: patientMs, natsMaxInstances: 10 };
    const nats = await NatsServer.start();
    const { broker } = await plainCaller(nats);
    const others = new OtherInstances(broker, "world", "0wn000000000", limits);
    later(() => others.close());
    const stranger = await plainCaller(nats);
    const tell = (bytes: Uint8Array): void => stranger.broker.connection.publish("iscep.world.beat", bytes);
    tell(beat("AAAAAAAAAAAA"));
    await until(() => others.all.length === 1);
    expect(others.presenceOf("AAAAAAAAAAAA")).not.toBe("gone");
    // Silence tells something only when nothing was missed for so long.
    expect(others.presenceOf("BBBBBBBBBBBB")).not.toBe("gone");
    limits.natsGoneMs = 50;
    await until(() => others.presenceOf("AAAAAAAAAAAA") === "gone" && others.presenceOf("BBBBBBBBBBBB") === "gone");
    expect(others.all).toEqual([]);
    limits.natsGoneMs = patientMs;
    tell(beat("AAAAAAAAAAAA"));
    await until(() => others.all.length === 1);
    for (let count = 0; count < 200; count++) tell(beat(`F${String(count).padStart(11, "0")}`));
    await stranger.broker.connection.flush();
    await until(() => others.all.length === limits.natsMaxInstances);
    expect(others.presenceOf("AAAAAAAAAAAA")).not.toBe("gone");
    expect(others.presenceOf("BBBBBBBBBBBB")).not.toBe("gone");
    limits.natsGoneMs = 50;
    await until(() => others.presenceOf("AAAAAAAAAAAA") === "gone");
    expect(others.presenceOf("0wn000000000")).not.toBe("gone");
  });
});
