/** Whole runs over a real broker: what a client has over a socket, it has here. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import {
  connect,
  defineCommand,
  defineScript,
  Server,
  type Client,
  type ConnectOptions,
  type ServerOptions,
} from "iscep";
import { natsDoor } from "iscep/nats";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { expectGone } from "../../support/processes.js";
import { until } from "../../support/until.js";

watchForLeaks();

async function serve(nats: NatsServer, options: ServerOptions = {}): Promise<Server> {
  const server = new Server({ listen: [], doors: [natsDoor({ url: nats.url, name: "world" })], ...options });
  later(() => server.close({ graceMs: 0 }));
  await server.listen();
  return server;
}

async function call(nats: NatsServer, options: ConnectOptions = {}): Promise<Client> {
  // It is the server that ends a run at its timeout. The client must not give it up before, because the machine may be
  // busy.
  const client = await connect(`${nats.url}/world`, { limits: { answerGraceMs: 20_000 }, ...options });
  later(() => client.close());
  return client;
}

async function textOf(output: AsyncIterable<{ readonly bytes: Uint8Array }>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const { bytes } of output) chunks.push(bytes);
  return Buffer.concat(chunks).toString();
}

async function slowConsumers(nats: NatsServer): Promise<unknown> {
  return (await nats.monitor("varz"))["slow_consumers"];
}

describe.skipIf(natsServerProgram === undefined)("over a broker", () => {
  test("calls get their values and their errors, and `list` the commands", async () => {
    const nats = await NatsServer.start();
    await serve(nats, { commands: originalTasks });
    const client = await call(nats);
    expect(await client.call("noargs")).toBe("ok");
    expect((await errorOf(client.call("no-such-command"))).code).toBe("command_not_found");
    expect((await client.list()).length).toBe(originalTasks.length);
    expect(await client.echo({ a: [1, "ä"] })).toEqual({ a: [1, "ä"] });
  });

  test("output comes while the script runs, on both channels, and standard input goes to it", async () => {
    const nats = await NatsServer.start();
    const script = defineScript({
      name: "talk",
      run: ["sh", "-c", 'echo ready; while read -r line; do echo "out $line"; echo "err $line" >&2; done; exit 3'],
      stdin: true,
    });
    await serve(nats, { commands: [script] });
    const client = await call(nats);
    let say: ((line: string) => void) | undefined;
    let more = new Promise<string>((resolve) => (say = resolve));
    async function* input(): AsyncGenerator<string> {
      for (;;) {
        const line = await more;
        more = new Promise((resolve) => (say = resolve));
        if (line === "") return;
        yield line;
      }
    }
    const run = client.run("talk", undefined, { stdin: input() });
    let [out, err] = ["", ""];
    for await (const { channel, bytes } of run.output) {
      if (channel === "stdout") out += String(bytes);
      else err += String(bytes);
      if (out === "ready\n") say?.("one\n");
      if (out.endsWith("out one\n") && err === "err one\n") say?.("");
    }
    expect(await run.outcome).toMatchObject({ status: "failed", exitCode: 3 });
  });

  test("a cancel ends the processes, and a run that took too long ends too", async () => {
    const nats = await NatsServer.start();
    const script = defineScript({ name: "sleepy", run: ["sleep", "1000"] });
    await serve(nats, { commands: [script] });
    const client = await call(nats);
    const run = client.run("sleepy");
    const id = await run.id;
    run.cancel();
    expect((await run.outcome).status).toBe("cancelled");
    await expectGone(id);
    const late = client.run("sleepy", undefined, { timeoutMs: 300 });
    expect((await late.outcome).status).toBe("timeout");
  });

  test("a detached run is found again by its key, and attached to from another client", async () => {
    const nats = await NatsServer.start();
    const slow = gate();
    await serve(nats, { commands: [slow.command] });
    const first = await call(nats);
    const detached = first.run("gate", { tag: "mine" }, { detach: true, idempotencyKey: "k" });
    const id = await detached.id;
    await slow.started(1);
    await first.close();
    const other = await call(nats);
    const again = other.run("gate", { tag: "mine" }, { idempotencyKey: "k" });
    expect(await again.id).toBe(id);
    const attached = other.attach(id);
    slow.open();
    expect(await attached.value).toBe("mine");
    expect(await again.value).toBe("mine");
    expect((await other.runs({ run: id })).runs).toHaveLength(1);
    expect((await errorOf(other.run("gate", { tag: "another" }, { idempotencyKey: "k" }).value)).code).toBe(
      "invalid_arguments",
    );
  });

  test("progress and places in the queue are told", async () => {
    const nats = await NatsServer.start();
    const slow = gate();
    const steps = defineCommand({
      name: "steps",
      run: async (_, { progress }) => {
        for (const part of [0.25, 0.5, 1]) progress(part, `at ${part}`);
        return "done";
      },
    });
    await serve(nats, { commands: [slow.command, steps], limits: { maxRuns: 1 } });
    const client = await call(nats);
    const told: number[] = [];
    const run = client.run("steps");
    run.onProgress((fraction) => told.push(fraction));
    expect(await run.value).toBe("done");
    await expect.poll(() => told.at(-1)).toBe(1);
    const holding = client.run("gate");
    await slow.started(1);
    const positions: number[] = [];
    const waiting = client.run("steps");
    waiting.onQueued((position) => positions.push(position));
    await expect.poll(() => positions).toContain(1);
    slow.open();
    await Promise.all([holding.value, waiting.value]);
  });

  test("16 MiB of output come whole, four times what the broker holds for a reader, which never calls us slow", async () => {
    const nats = await NatsServer.start({ config: "max_pending: 4MB" });
    const bytes = 16 * 1024 * 1024;
    const zeros = Buffer.alloc(1024 * 1024);
    await serve(nats, { commands: [defineScript({ name: "big", run: ["head", "-c", String(bytes), "/dev/zero"] })] });
    const client = await call(nats);
    const run = client.run("big");
    let read = 0;
    for await (const { bytes: piece } of run.output) {
      expect(zeros.subarray(0, piece.length).equals(piece)).toBe(true);
      read += piece.length;
    }
    expect(read).toBe(bytes);
    expect((await run.outcome).status).toBe("completed");
    expect(await slowConsumers(nats)).toBe(0);
  });

  test("a reader who pauses holds back its script, and neither the broker nor other calls", async () => {
    const nats = await NatsServer.start({ config: "write_deadline: 1s\nmax_pending: 1MB" });
    let written = 0;
    const flood = defineCommand({
      name: "flood",
      run: async (_, { output, signal }) => {
        const piece = randomBytes(64 * 1024);
        while (!signal.aborted) {
          await output.write("stdout", piece);
          written += piece.length;
        }
      },
    });
    await serve(nats, { commands: [flood, ...originalTasks] });
    const client = await call(nats);
    const run = client.run("flood");
    const reader = run.output[Symbol.asyncIterator]();
    await reader.next();
    let before = -1;
    await until(async () => {
      const stopped = written > 0 && written === before;
      before = written;
      await sleep(100);
      return stopped;
    });
    expect(written).toBeLessThan(4 * 1024 * 1024);
    for (let index = 0; index < 100; index++) expect(await client.call("noargs")).toBe("ok");
    // A busy machine may have held it up before the windows did.
    expect(written).toBeLessThan(4 * 1024 * 1024);
    run.cancel();
    await reader.return?.();
    expect((await run.outcome).status).toBe("cancelled");
    expect(await slowConsumers(nats)).toBe(0);
    expect(nats.log).not.toContain("Slow Consumer");
  });

  test("pieces respect the broker's max_payload", async () => {
    const nats = await NatsServer.start({ maxPayload: 1_000 });
    const text = "x".repeat(100_000);
    const said = defineScript({ name: "said", run: ["cat"], stdin: true });
    await serve(nats, { commands: [said, ...originalTasks] });
    const client = await call(nats);
    expect(await client.echo(text)).toBe(text);
    async function* input(): AsyncGenerator<string> {
      yield text;
    }
    expect(await textOf(client.run("said", undefined, { stdin: input() }).output)).toBe(text);
    expect(nats.log).not.toContain("maximum payload");
  });
});
