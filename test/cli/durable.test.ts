/** `iscep call --durable`: a call that waits in the queue of a real broker, and how it is found again. */
import path from "node:path";
import { describe, expect, test } from "vitest";
import { defineScript, Server, type Command, type Limits } from "iscep";
import { natsDoor } from "#iscep/doors/nats/door";
import { later } from "../support/cleanup.js";
import { gate, originalTasks } from "../support/commands.js";
import { ended, iscep, startIscep, type RunOptions } from "../support/iscep.js";
import { NatsServer, natsServerProgram } from "../support/nats-server.js";
import { startServer, tokens, writeTokens } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

const lines = defineScript({ name: "lines", run: ["sh", "-c", "echo one; exit 3"] });
const add = originalTasks[1];
const uuid = /^[0-9a-f-]{36}$/;

interface Stage {
  readonly nats: NatsServer;
  readonly options: RunOptions;
  call(...words: string[]): ReturnType<typeof iscep>;
  serve(commands: readonly Command[], limits?: Partial<Limits>): Promise<void>;
}

async function stage(jetStream = true): Promise<Stage> {
  const nats = await NatsServer.start({ jetStream });
  const folder = temporaryFolder();
  const tokensFile = path.join(folder, "tokens.json");
  writeTokens(tokensFile, tokens);
  const options = { folder, environment: { ISCEP_URL: `${nats.url}/world`, ISCEP_TOKEN: tokens.alice } };
  return {
    nats,
    options,
    call: (...words) => iscep(words, options),
    serve: async (commands, limits = {}) => {
      const doors = [natsDoor({ url: `${nats.url}/world` })];
      const server = new Server({ commands, listen: [], tokens: tokensFile, doors, limits });
      later(() => server.close({ graceMs: 0 }));
      await server.listen();
    },
  };
}

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("a call waits while nobody serves, and is found and followed by its id", async () => {
    const { call, serve } = await stage();
    const submitted = await call("call", "--durable", "--detach", "add", "--args", '{"a": 1, "b": 2}');
    expect(submitted).toMatchObject({ code: 0, stderr: expect.stringContaining("no instance is there to say") });
    const id = submitted.stdout.trim();
    expect(id).toMatch(uuid);
    const json = await call("call", "--durable", "--detach", "--quiet", "--json", "lines");
    expect(json).toMatchObject({ code: 0, stderr: "" });
    const { run } = JSON.parse(json.stdout) as { run: string };
    const asked = await call("runs", "show", id);
    expect(asked).toMatchObject({ code: 69, stderr: expect.stringContaining("when one is there") });
    await serve([add, lines]);
    expect(await call("runs", "attach", id)).toMatchObject({ code: 0, stdout: "3\n" });
    expect(await call("runs", "attach", run)).toMatchObject({ code: 3, stdout: "one\n" });
    expect(await call("runs", "show", run)).toMatchObject({ code: 0, stdout: expect.stringContaining("failed") });
  });

  test("without --detach the output is shown, and the exit code is that of the command", async () => {
    const { call, serve } = await stage();
    await serve([add, lines]);
    const shown = await call("call", "--durable", "lines");
    expect(shown).toMatchObject({ code: 3, stdout: "one\n" });
    expect(shown.stderr).toMatch(/the broker has the call; `iscep runs attach [0-9a-f-]{36}`/);
    expect(await call("call", "add", "--durable", "--a", "1", "--b", "2", "--quiet")).toMatchObject({
      code: 0,
      stdout: "3\n",
      stderr: "",
    });
  });

  test("to leave ends only the watching, and a call that waits is told to be waiting", async () => {
    const { options, call, serve } = await stage();
    const held = gate("held");
    await serve([held.command], { maxRuns: 1 });
    const running = startIscep(["call", "--durable", "held"], options);
    let told = "";
    running.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
    await held.started(1);
    await until(() => told.includes("runs attach"));
    const waiting = (await call("call", "--durable", "--detach", "held")).stdout.trim();
    for (const verb of ["show", "cancel"])
      expect(await call("runs", verb, waiting)).toMatchObject({
        stderr: expect.stringContaining("waits in the queue"),
      });
    running.kill("SIGINT");
    expect(await ended(running)).toMatchObject({ code: 130 });
    expect(held.state.started).toBe(1);
    held.open();
    await held.started(2);
    held.open();
    const left = /attach ([0-9a-f-]{36})/.exec(told)?.[1] ?? "";
    for (const run of [left, waiting])
      expect(await call("runs", "attach", run)).toMatchObject({ code: 0, stdout: "through\n" });
  });

  test("what cannot be is refused with what to do", async () => {
    const { call, options, serve } = await stage(false);
    await serve([add]);
    const words = ["call", "--durable", "add", "--a", "1", "--b", "2"];
    expect(await call(...words)).toMatchObject({
      code: 75,
      stderr: expect.stringContaining("nats-server --jetstream"),
    });
    for (const other of [["--all"], ["--to", "x"], ["--stdin"]])
      expect(await call("call", "--durable", ...other, "add", "--a", "1", "--b", "2")).toMatchObject({ code: 64 });
    const { url } = await startServer({ commands: [add] });
    const single = { ...options, environment: { ISCEP_URL: url } };
    for (const version of ["1", "2"])
      expect(await iscep([...words, "--protocol", version], single)).toMatchObject({
        code: 64,
        stderr: expect.stringContaining("nats://HOST:4222/NAME"),
      });
  });
});
