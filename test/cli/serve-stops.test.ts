/** PITFALLS 17, promise 19: SIGTERM stops a server in good order and in bounded time, whatever is stuck in it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connect, type Client } from "iscep";
import { serveProcess } from "../support/iscep-process.js";
import type { Serving } from "../support/iscep.js";
import { expectGone, processesOf } from "../support/processes.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** They tell when they have begun, and do not hear SIGTERM. */
const configuration = `
listen: 127.0.0.1:0
tls: false
limits: { kill_grace_ms: 300ms, linger_timeout_ms: 5s }
commands:
  stuck: { run: [sh, -c, "trap '' TERM; (trap '' TERM; sleep 300) & echo begun; while :; do sleep 1; done"] }
  short: { run: [sh, -c, "echo begun; cat"] }
`;

interface Begun {
  readonly server: Serving;
  readonly client: Client;
  readonly id: string;
  readonly outcome: Promise<{ readonly status: string }>;
  endInput(): void;
}

async function begun(command: string, words: readonly string[]): Promise<Begun> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "iscep.yaml"), configuration);
  const server = await serveProcess(words, { folder });
  const client = await connect(server.url, { limits: { reconnectTimeoutMs: 0 } });
  let endInput = (): void => {};
  const held = new Promise<void>((resolve) => (endInput = resolve));
  async function* input() {
    yield "";
    await held;
  }
  const run = client.run(command, {}, { stdin: input() });
  await run.output[Symbol.asyncIterator]().next();
  return { server, client, id: await run.id, outcome: run.outcome, endInput };
}

test("--grace says how long runs may go on: then what is stuck is ended, and nothing of it is left", async () => {
  const { server, client, id, outcome } = await begun("stuck", ["--grace", "100ms"]);
  expect(await server.stop()).toMatchObject({ code: 0 });
  expect((await outcome).status).toBe("cancelled");
  await expectGone(id);
  await client.close();
});

test("--grace counts more than the file: a run that needs it ends by itself", async () => {
  const { server, client, outcome, endInput } = await begun("short", ["--grace", "10m"]);
  const stopped = server.stop();
  endInput();
  expect((await outcome).status).toBe("completed");
  expect(await stopped).toMatchObject({ code: 0 });
  await client.close();
});

test("a second signal ends the server at once, and kills the group of a script that does not hear SIGTERM", async () => {
  const { server, client, id } = await begun("stuck", ["--grace", "10m"]);
  // A process that is just becoming another program shows no environment for a moment.
  await expect.poll(() => processesOf(id).length).toBeGreaterThan(1);
  server.child.kill("SIGTERM");
  // Until it has heard the first one: then it listens no more.
  await expect
    .poll(
      () =>
        connect(server.url).then(
          (one) => one.close(),
          (error: unknown) => error,
        ),
      { interval: 10 },
    )
    .toMatchObject({ code: "connect_failed" });
  expect(await server.stop()).toMatchObject({ code: 143 });
  await expect.poll(() => processesOf(id), { interval: 5 }).toEqual([]);
  await client.close();
});
