/** Options that there are not are refused wherever the library takes options, with the name that was probably meant. */
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { connect, defineCommand, defineScript, Server, type RunHandle } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { originalTasks } from "../support/commands.js";
import { errorOf } from "../support/error-of.js";
import { startServer } from "../support/servers.js";

watchForLeaks();

/** JavaScript may give these, whatever the types say. */
function untyped(options: object): never {
  return options as never;
}

describe("an option that there is not is refused by", () => {
  test.each<[string, object, RegExp]>([
    [
      "defineCommand",
      { name: "a", timeout: "5s", run: () => 1 },
      /command "a" has no option "timeout"; did you mean "timeoutMs"\?/,
    ],
    ["defineCommand", { name: "a", desciption: "", run: () => 1 }, /did you mean "description"\?/],
  ])("%s", (_name, definition, message) => {
    expect(() => defineCommand(untyped(definition))).toThrow(message);
  });

  test.each<[object, RegExp]>([
    [{ max_output: "1MiB" }, /script "b" has no option "max_output"; did you mean "maxOutputBytes"\?/],
    [{ environmant: {} }, /did you mean "environment"\?/],
  ])("defineScript: %j", (more, message) => {
    expect(() => defineScript(untyped({ name: "b", run: ["ls"], ...more }))).toThrow(message);
  });

  test.each<[object, RegExp]>([
    [{ token: "tokens.json" }, /new Server\(\) has no option "token"; did you mean "tokens"\?/],
    [{ listen: [{ host: "127.0.0.1", prot: 1 }] }, /did you mean "port"\?/],
    [{ clientCertificates: { cas: "file" } }, /did you mean "ca"\?/],
    [{ limits: { maxRun: 5 } }, /there is no limit named "maxRun"/],
  ])("new Server: %j", (options, message) => {
    expect(() => new Server(untyped(options))).toThrow(message);
  });

  test("server.client and server.close", async () => {
    const server = new Server({ commands: originalTasks, listen: [] });
    expect(() => server.client(untyped({ sorce: "x" }))).toThrow(/has no option "sorce"; did you mean "source"\?/);
    expect(() => server.client(untyped({}))).toThrow(/needs a source/);
    expect(await errorOf(server.close(untyped({ grace: 5 })))).toMatchObject({ message: /did you mean "graceMs"\?/ });
    await server.close();
  });

  test("connect", async () => {
    expect(await errorOf(connect("iscep+tcp://127.0.0.1:1", untyped({ tokne: "x" })))).toMatchObject({
      code: "usage",
      message: 'connect() has no option "tokne"; did you mean "token"?',
    });
  });

  test.each<[string, 1 | 2]>([
    ["version 1", 1],
    ["version 2", 2],
  ])("every call of a client over %s, before anything is sent", async (_name, protocol) => {
    const client = await (await startServer()).client({ protocol });
    const wrong = untyped({ timeout: 5 });
    const works: readonly Promise<unknown>[] = [
      client.call("noargs", {}, wrong),
      client.list(wrong),
      client.cancel("x", wrong),
      client.runs(wrong),
      client.echo(1, wrong),
      client.ping(wrong),
      client.run("noargs", {}, wrong).value,
      client.attach("x", wrong).value,
    ];
    for (const error of await Promise.all(works.map(errorOf))) {
      expect(error).toMatchObject({ code: "usage", message: /has no option "timeout"; did you mean "timeoutMs"\?/ });
    }
    expect(await client.call("noargs", {}, { timeoutMs: 5_000 })).toBe("ok");
  });

  test("a run, whose standard input is closed then", async () => {
    const client = await (await startServer()).client();
    const stdin = Readable.from(["some"]);
    later(() => stdin.destroy());
    const run: RunHandle = client.run("noargs", {}, untyped({ stdin, detatch: true }));
    expect(await run.outcome).toMatchObject({ status: "rejected", error: { message: /did you mean "detach"\?/ } });
    expect(stdin.destroyed).toBe(true);
  });

  test.each([5, null, {}, ["a"]])("a run whose standard input is %j", async (stdin) => {
    const client = await (await startServer()).client();
    const run: RunHandle = client.run("noargs", {}, untyped({ stdin }));
    expect(await run.outcome).toMatchObject({
      status: "rejected",
      error: { code: "usage", message: /^stdin has to be/ },
    });
  });
});
