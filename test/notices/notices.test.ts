/** Who is told when a run ends, with what, how often, and what all of this may never do. */
import { createHmac } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import path from "node:path";
import { declareArguments, defineCommand, defineScript } from "iscep";
import { describe, expect, test } from "vitest";
import { anonymous, scheduler } from "#iscep/model/identity";
import { later } from "../support/cleanup.js";
import { errorOf } from "../support/error-of.js";
import { watchForLeaks } from "../support/leaks.js";
import { receiver } from "../support/receiver.js";
import { logLines, startServer } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";
import { type Facts, program, teller, dispatcherWith, bad } from "../support/notices.js";

watchForLeaks();

const good = defineCommand({ name: "good", run: () => 1 });

describe("a script that is told", () => {
  test("gets the facts as JSON, as variables and as arguments, once, with the end of standard error and no secret", async () => {
    const folder = temporaryFolder();
    const file = program(
      folder,
      "tell",
      `{ echo "$@"; echo "$ISCEP_NOTICE_STATUS $ISCEP_NOTICE_EXIT_CODE $HIDDEN"; cat; } > "${folder}/told.new"; mv "${folder}/told.new" "${folder}/told"`,
    );
    process.env["HIDDEN"] = "of the server";
    const backup = defineScript({
      name: "backup",
      run: [
        program(
          folder,
          "backup",
          "read password; i=0; while [ $i -lt 30 ]; do echo line $i >&2; i=$((i+1)); done\necho out; printf '\\033[31mred\\033[0m %s\\n10\\r20\\r\\n\\033]0;title\\007' \"$password\" >&2; exit 3",
        ),
      ],
      args: { password: { type: "secret" }, world: { type: "string" } },
      stdin: "{password}",
      argumentVariables: ["world"],
      notify: { run: [file, "{command}", "--status={status}", "{run}"] },
      logArgs: true,
    });
    const { client, server } = await startServer({ commands: [backup] });
    const run = (await client()).run("backup", { password: "hunter2hunter2", world: "nether" });
    expect(await run.outcome).toMatchObject({ status: "failed", exitCode: 3 });
    await until(() => existsSync(path.join(folder, "told")));
    delete process.env["HIDDEN"];
    const id = await run.id;
    const [argv, variables, json = ""] = readFileSync(path.join(folder, "told"), "utf8").split("\n");
    expect(argv).toBe(`backup --status=failed ${id}`);
    expect(variables).toBe("failed 3 ");
    const facts = JSON.parse(json) as Facts;
    expect(facts).toMatchObject({
      run: id,
      command: "backup",
      owner: "alice",
      status: "failed",
      code: "failed",
      exitCode: 3,
      arguments: { world: "nether" },
    });
    const page = readFileSync("docs/NOTICES.md", "utf8");
    expect(Object.keys(facts).filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
    const lines = facts.stderr.split("\n");
    expect(lines).toHaveLength(20);
    expect(lines.slice(-4)).toEqual(["line 29", "red ***", "20", String.raw`\x1b]0;title\x07`]);
    await server.close();
  });

  test("is the one of the command, else that of the server, and nobody for false and for other ends", async () => {
    const [own, all] = [teller(temporaryFolder()), teller(temporaryFolder())];
    const fail = (): never => {
      throw new Error("no");
    };
    const commands = [
      defineCommand({ name: "own", notify: { run: own.run, on: ["completed"] }, run: () => 1 }),
      defineCommand({ name: "own_failed", notify: { run: own.run, on: ["completed"] }, run: fail }),
      defineCommand({ name: "silent", notify: false, run: fail }),
      bad,
      good,
    ];
    const { client, server } = await startServer({ commands, notify: { run: all.run } });
    const caller = await client();
    for (const name of ["own", "own_failed", "silent", "bad", "good"]) await caller.run(name).outcome;
    await server.close();
    expect(own.told().map(({ command, status }) => [command, status])).toEqual([["own", "completed"]]);
    expect(all.told().map(({ command, status }) => [command, status])).toEqual([["bad", "failed"]]);
  });

  test("is told of a refused run of a schedule, because nobody else is, and not of refused calls", async () => {
    const { run, told } = teller(temporaryFolder());
    const needy = defineCommand({ name: "needy", args: declareArguments({ a: { type: "integer" } }), run: () => 1 });
    const { dispatcher, notices } = dispatcherWith([needy], { run });
    dispatcher.start(anonymous, "needy", {}, { source: "127.0.0.1" });
    const { id } = dispatcher.start(scheduler, "needy", {}, { source: "schedule", kept: true });
    await dispatcher.close(0);
    await notices.close(10_000);
    expect(told()).toMatchObject([{ run: id, status: "rejected", code: "invalid_arguments" }]);
  });

  test("that fails, hangs or is not there is a line of the error log, and no notice of its own", async () => {
    const folder = temporaryFolder();
    const file = program(folder, "broken", "cat > /dev/null; echo no mail today >&2; exit 1");
    const hangs = program(folder, "hangs", "sleep 300");
    const cases = [
      [{ run: [file] }, {}, /broken was not given: .*exit code 1.*no mail today/],
      [{ run: [hangs] }, { noticeTimeoutMs: 300 }, /hangs was not given: it took longer than 300 ms/],
    ] as const;
    for (const [notify, limits, why] of cases) {
      const { dispatcher, notices, noticed } = dispatcherWith([bad], notify, limits);
      dispatcher.start(anonymous, "bad", {}, { source: "unix" });
      await until(() => noticed().length > 0);
      await dispatcher.close(0);
      await notices.close(0);
      expect(noticed()).toMatchObject([{ command: "bad", message: expect.stringMatching(why) }]);
    }
  });

  test("does not delay runs, or the close beyond its limit, however many hang, and what is too much is counted", async () => {
    const folder = temporaryFolder();
    const hangs = program(folder, "hangs", `trap '' TERM\necho $$ >> "${folder}/pids"\nsleep 300`);
    const endlessMs = 600_000;
    // Nothing else ends the wait of a server that closes.
    const limits = {
      maxNotices: 2,
      maxQueuedNotices: 5,
      noticeCloseMs: 100,
      noticeTimeoutMs: endlessMs,
      killGraceMs: endlessMs,
    };
    const { client, server, logged } = await startServer({ commands: [bad, good], notify: { run: [hangs] }, limits });
    const caller = await client();
    for (let count = 0; count < 30; count++) await caller.run("bad").outcome;
    await until(() => existsSync(path.join(folder, "pids")));
    expect(await caller.call("good")).toBe(1);
    await server.close({ graceMs: 0 });
    const messages = logLines(await logged()).map(({ message }) => String(message));
    expect(
      messages.filter((message) => /notices were dropped so far; [23] wait, .*\(maxQueuedNotices, 5\)/.test(message)),
    ).not.toEqual([]);
    expect(
      messages.filter((message) => /closed before 3 notices were given; they are gone/.test(message)),
    ).toHaveLength(1);
    const pids = readFileSync(path.join(folder, "pids"), "utf8").trim().split("\n").map(Number);
    expect(pids.length).toBeLessThanOrEqual(2);
    await until(() => pids.every((pid) => !existsSync(`/proc/${pid}`)), "a script of a notice outlived the server");
  });
});

describe("an address that is told", () => {
  /** The example of https://www.standardwebhooks.com: its secret, id, time, body and signature. */
  test("gets a message that is signed as the vector of Standard Webhooks", async () => {
    const { webhookHeaders } = await import("#iscep/identity/standard-webhooks");
    const headers = webhookHeaders(
      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      "msg_p5jXN8AQM9LWM0D4loKWxJek",
      1_614_265_330,
      '{"test": 2432232314}',
    );
    expect(headers["webhook-signature"]).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });

  test("gets it again with the same id until it takes it, with the key as it is then", async () => {
    const folder = temporaryFolder();
    const secret = path.join(folder, "secret");
    writeFileSync(secret, "a secret of thirty characters.\n", { mode: 0o600 });
    const { url, received } = await receiver((response, count) => response.writeHead(count < 3 ? 503 : 204).end());
    const { client } = await startServer({
      commands: [bad],
      notify: { url: `${url}/notices?room=7`, secret },
      limits: { noticeRetryMs: 10 },
    });
    const run = (await client()).run("bad");
    await run.outcome;
    await until(() => received.length === 3);
    const id = await run.id;
    for (const { path: where, headers, body } of received) {
      expect(where).toBe("/notices?room=7");
      expect(headers["webhook-id"]).toBe(id);
      const signed = createHmac("sha256", "a secret of thirty characters.")
        .update(`${id}.${String(headers["webhook-timestamp"])}.${body}`)
        .digest("base64");
      expect(headers["webhook-signature"]).toBe(`v1,${signed}`);
      expect(JSON.parse(body)).toMatchObject({ type: "run.failed", data: { run: id, message: "it broke" } });
    }
  });

  test.each([
    [
      "a redirect",
      (url: string) => ({ status: 307, headers: { location: `${url}/elsewhere` } }),
      3,
      /redirects are not followed/,
    ],
    ["a receiver that is gone for good", () => ({ status: 410, headers: {} }), 1, /answered with 410/],
  ])("is not asked more often than it makes sense: %s", async (_, answer, tries, why) => {
    const { url, received } = await receiver((response) => {
      const { status, headers } = answer(url);
      response.writeHead(status, headers).end();
    });
    const { dispatcher, notices, noticed } = dispatcherWith(
      [bad],
      { url, secret: false },
      { noticeRetryMs: 1, maxNoticeTries: 3 },
    );
    dispatcher.start(anonymous, "bad", {}, { source: "unix" });
    await until(() => noticed().some(({ message }) => message.includes("was not given")));
    expect(received.map(({ path: where }) => where)).toEqual(Array.from({ length: tries }, () => "/"));
    expect(received[0]?.headers["webhook-signature"]).toBeUndefined();
    expect(noticed().at(-1)?.message).toMatch(why);
    await dispatcher.close(0);
    await notices.close(0);
  });

  test("that changes to another protocol has not taken the notice, and holds up no other", async () => {
    const sockets = new Set<Socket>();
    const changer = createServer((socket) => {
      sockets.add(socket.on("error", () => {}));
      socket.once("data", () =>
        socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
      );
    });
    await new Promise<void>((resolve) => changer.listen(0, "127.0.0.1", resolve));
    later(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => changer.close(resolve));
    });
    const { url, received } = await receiver((response) => response.writeHead(204).end());
    const { dispatcher, notices, noticed } = dispatcherWith(
      [bad],
      [
        { url: `http://127.0.0.1:${(changer.address() as AddressInfo).port}`, secret: false },
        { url, secret: false },
      ],
      { maxNotices: 1, maxNoticeTries: 1 },
    );
    dispatcher.start(anonymous, "bad", {}, { source: "unix" });
    await until(() => received.length === 1);
    expect(noticed().map(({ message }) => message)).toEqual([
      expect.stringMatching(/was not given: the receiver answered with 101; it wants 2xx/),
    ]);
    await dispatcher.close(0);
    await notices.close(10_000);
  });

  test("may hang, or answer without end: a request ends by its timeout, and no answer is kept", async () => {
    const { url, received } = await receiver((response, count) => {
      response.writeHead(count > 1 ? 500 : 200);
      const more = (): void => void (response.destroyed || (response.write("x".repeat(65_536)), setImmediate(more)));
      more();
    });
    const endless = dispatcherWith([bad], { url, secret: false }, { noticeRetryMs: 1 });
    const silent = await receiver(() => {});
    const limits = { noticeTimeoutMs: 300, noticeRetryMs: 1, maxNoticeTries: 2 };
    const hanging = dispatcherWith([bad], { url: silent.url, secret: false }, limits);
    for (const { dispatcher } of [endless, hanging]) dispatcher.start(anonymous, "bad", {}, { source: "unix" });
    await until(() => hanging.noticed().some(({ message }) => message.includes("was not given")));
    await until(() => received.length > 0);
    expect(hanging.noticed().map(({ message }) => message)).toEqual([
      expect.stringMatching(/is tried again: .*took longer than 300 ms/),
      expect.stringMatching(/was not given: .*took longer than 300 ms/),
    ]);
    // A request that ends before a busy receiver has read it is not counted there.
    expect(silent.received.length).toBeLessThanOrEqual(2);
    for (const { dispatcher, notices } of [endless, hanging]) {
      await dispatcher.close(0);
      await notices.close(10_000);
    }
    expect(received).toHaveLength(1);
    expect(endless.noticed()).toEqual([]);
  });
});

describe("a definition", () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    ["nothing", {}, /give either `run`.* or `url`/],
    ["both", { run: ["/bin/true"], url: "http://127.0.0.1" }, /give either/],
    [
      "a word that is no end",
      { run: ["/bin/true"], on: ["fails"] },
      /`on` must be any, or a list of completed, failed/,
    ],
    ["an option that there is not", { run: ["/bin/true"], when: "any" }, /no option "when"/],
    ["no secret", { url: "http://127.0.0.1" }, /needs `secret`/],
    ["a secret that is not there", { url: "http://127.0.0.1", secret: "/nowhere/secret" }, /no such file/],
    ["another scheme", { url: "file:///etc/passwd", secret: false }, /must be an address/],
    ["a shell that would run the facts", { run: ["/bin/sh", "-c", "{status}"] }, /write the code/],
    ["an owner as an argument, which may look like an option", { run: ["/bin/true", "{owner}"] }, /owner/],
  ])("is refused: %s", async (_, notify, message) => {
    const error = await errorOf(() => defineScript({ name: "x", run: ["/bin/true"], notify }));
    expect(error.message).toMatch(message);
  });
});
