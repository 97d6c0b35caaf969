/** Mixed load with a reader that is slow: its run is held back, and the broker never has more for anybody than it can keep. SLOW_CONSUMER_SECONDS says for how long. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connect, defineCommand, type Client } from "iscep";
import { later } from "../../support/cleanup.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { startInstance } from "../../support/nats-service.js";
import { rounds } from "../../support/rounds.js";

const seconds = Number(process.env["SLOW_CONSUMER_SECONDS"] ?? rounds(2, 5, 30));
const piece = Buffer.alloc(32 * 1_024, "x");

const commands = [
  defineCommand({ name: "echo", args: z.object({ text: z.string() }), run: ({ text }) => text }),
  defineCommand({
    name: "flood",
    run: async (_args, { output, signal }) => {
      while (!signal.aborted) await output.write("stdout", piece);
    },
  }),
  defineCommand({
    name: "swallow",
    stdin: true,
    run: async (_args, { stdin }) => {
      let bytes = 0;
      for await (const chunk of stdin) {
        bytes += chunk.length;
        await sleep(5);
      }
      return bytes;
    },
  }),
];

interface Load {
  readonly client: Client;
  readonly endsAtMs: number;
}

const goesOn = ({ endsAtMs }: Load): boolean => performance.now() < endsAtMs;

async function calls(load: Load): Promise<number> {
  let done = 0;
  for (; goesOn(load); done++) {
    expect(await load.client.call("echo", { text: String(done) })).toBe(String(done));
    await sleep(20);
  }
  return done;
}

/** Reads, and waits with each piece. Others attach to the same run, read some, and leave. */
async function slowReader(load: Load): Promise<number> {
  const run = load.client.run("flood", {}, { timeoutMs: 3_600_000 });
  const id = await run.id;
  const attaching = (async () => {
    for (let times = 0; goesOn(load); times++) {
      let read = 0;
      for await (const { bytes } of load.client.attach(id).output) if ((read += bytes.length) > 200_000) break;
      await sleep(50);
    }
  })();
  let bytes = 0;
  for await (const chunk of run.output) {
    bytes += chunk.bytes.length;
    if (!goesOn(load)) break;
    await sleep(10);
  }
  await attaching;
  run.cancel();
  expect((await run.outcome).status).toBe("cancelled");
  return bytes;
}

async function input(load: Load): Promise<number> {
  let sent = 0;
  async function* source(): AsyncGenerator<Uint8Array, void, void> {
    while (goesOn(load)) {
      sent += piece.length;
      yield piece;
      await sleep(1);
    }
  }
  expect(await load.client.run("swallow", {}, { stdin: source(), timeoutMs: 3_600_000 }).value).toBe(sent);
  return sent;
}

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test(`no slow consumer in ${seconds} s of mixed load`, { timeout: seconds * 1_000 + 60_000 }, async () => {
    const nats = await NatsServer.start();
    for (let instance = 0; instance < 2; instance++)
      await startInstance(nats, { commands, logs: false, limits: { runTimeoutMs: 3_600_000 } });
    const client = await connect(`${nats.url}/world`);
    later(() => client.close());
    const load = { client, endsAtMs: performance.now() + seconds * 1_000 };
    const [called, read, sent] = await Promise.all([calls(load), slowReader(load), input(load)]);
    const { slow_consumers: slow } = await nats.monitor("varz");
    process.stdout.write(
      `${called} calls, ${read} bytes of output read, ${sent} of input sent, slow consumers: ${String(slow)}\n`,
    );
    expect(slow).toBe(0);
    expect(nats.log).not.toMatch(/Slow Consumer/i);
    expect(Math.min(called, read, sent)).toBeGreaterThan(0);
  });
});
