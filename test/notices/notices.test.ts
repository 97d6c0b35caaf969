/** Who is told when a run ends, with what, how often, and what all of this may never do. */
import { createHmac } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import path from "node:path";
import { declareArguments, defineCommand, defineScript, IscepError, type NotifyDefinition } from "iscep";
import { describe, expect, test } from "vitest";
import { Registry } from "#iscep/commands/registry";
import { compileNotices } from "#iscep/commands/notify";
import { Dispatcher } from "#iscep/dispatcher";
import { resolveLimits, type Limits } from "#iscep/limits/limits";
import type { ErrorEvent } from "#iscep/model/logs";
import { anonymous, scheduler } from "#iscep/model/identity";
import { KeptNotices } from "#iscep/notices/kept-notices";
import { Notices } from "#iscep/notices/notices";
import { silentLogs } from "#iscep/logs/combine";
import { later } from "../support/cleanup.js";
import { errorOf } from "../support/error-of.js";
import { serveProcess } from "../support/iscep-process.js";
import { iscep, serve } from "../support/iscep.js";
import { watchForLeaks } from "../support/leaks.js";
import { receiver } from "../support/receiver.js";
import { logLines, startServer } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

watchForLeaks();

interface Facts {
  readonly run: string;
  readonly command: string;
  readonly status: string;
  readonly stderr: string;
}

function program(folder: string, name: string, lines: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
  return file;
}

/** A script that keeps the facts of each notice in a file of its own, as one write, so that none can mix with another. */
function teller(folder: string): { readonly run: [string, ...string[]]; told(): Facts[] } {
  const file = program(
    folder,
    "tell",
    `cat > "${folder}/$ISCEP_RUN.new"; mv "${folder}/$ISCEP_RUN.new" "${folder}/$ISCEP_RUN.told"`,
  );
  const told = (): Facts[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".told"))
      .map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")) as Facts);
  return { run: [file], told };
}

/** A dispatcher with notices of its own, and what they log. */
function dispatcherWith(
  commands: Parameters<typeof Registry.prototype.register>[0][],
  notify: NotifyDefinition | readonly NotifyDefinition[],
  limits: Partial<Limits> = {},
  folder?: string,
) {
  const logged: ErrorEvent[] = [];
  const logs = { ...silentLogs, error: (event: ErrorEvent) => void logged.push(event) };
  const registry = new Registry(commands);
  const all = compileNotices("the server", notify);
  const resolved = resolveLimits(limits);
  const metrics = { notices: { given: 0, failed: 0, dropped: 0 } };
  const notices = new Notices({ limits: resolved, metrics, logs, registry, all, folder });
  const dispatcher = new Dispatcher({ registry, limits: resolved, notices });
  const noticed = (): ErrorEvent[] => logged.filter(({ event }) => event === "notice");
  return { dispatcher, notices, noticed };
}

const bad = defineCommand({
  name: "bad",
  run: () => {
    throw new IscepError("failed", "it broke");
  },
});
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

const factsOfBackup = {
  run: "01a2243d-e45d-70ca-aece-f21a95d988a9",
  command: "backup",
  owner: "schedule",
  status: "failed",
  startedAtMs: 1,
  endedAtMs: 2,
  durationMs: 1,
  outputBytes: 0,
  stderr: "",
} as const;

/** Counts the bytes in the files of runs. */
function outputBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".out"))
    .reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0);
}

test("a run that was lost with its server is told once, by the next one, with what it had printed", async () => {
  const folder = temporaryFolder();
  const { run, told } = teller(folder);
  program(folder, "long.sh", `echo half way >&2; sleep 300`);
  const yaml = [
    "listen: unix:./socket",
    "tokens: false",
    `notify: { run: [${run[0]}] }`,
    "commands: { long: { run: [./long.sh] } }",
  ];
  writeFileSync(path.join(folder, "iscep.yaml"), `${yaml.join("\n")}\n`);
  const first = await serveProcess([], { folder });
  await iscep(["call", "--detach", "long"], { folder, environment: { ISCEP_URL: first.url } });
  // What it printed is in a file.
  await until(() => outputBytes(folder) > 0);
  first.child.kill("SIGKILL");
  await first.ended;
  expect(told()).toEqual([]);
  for (let start = 0; start < 2; start++) {
    const next = await serve([], { folder });
    await until(() => told().length > 0);
    await next.stop();
  }
  expect(told()).toMatchObject([{ command: "long", status: "lost", code: "lost", stderr: "half way" }]);
});

test("a notice that waits when its server is killed is given by the next one", async () => {
  const folder = temporaryFolder();
  const { url, received } = await receiver((response, count) => response.writeHead(count < 2 ? 503 : 204).end());
  program(folder, "bad.sh", "exit 1");
  const yaml = [
    "listen: unix:./socket",
    "tokens: false",
    `notify: { url: "${url}", secret: false }`,
    "commands: { bad: { run: [./bad.sh] } }",
  ];
  writeFileSync(
    path.join(folder, "iscep.yaml"),
    `${yaml.join("\n")}\nlimits: { notice_retry_ms: 1h, max_notice_retry_ms: 1h }\n`,
  );
  const first = await serveProcess([], { folder });
  await iscep(["call", "bad"], { folder, environment: { ISCEP_URL: first.url } });
  await until(() => received.length === 1);
  first.child.kill("SIGKILL");
  await first.ended;
  const second = await serve([], { folder });
  await until(() => received.length === 2);
  await second.stop();
  const third = await serve([], { folder });
  await third.stop();
  expect(received).toHaveLength(2);
  expect(received[1]?.headers["webhook-id"]).toBe(received[0]?.headers["webhook-id"]);
});

test("a runs folder that fails holds up neither the end of a run nor its notice, and is told of once", async () => {
  const folder = path.join(temporaryFolder(), "loop");
  symlinkSync("loop", folder);
  const { url, received } = await receiver((response) => response.writeHead(204).end());
  const { dispatcher, notices, noticed } = dispatcherWith([bad], { url, secret: false }, {}, folder);
  const outcomes = [1, 2].map(() => dispatcher.start(anonymous, "bad", {}, { source: "unix" }).outcome?.status);
  expect([...outcomes, dispatcher.activeRuns]).toEqual(["failed", "failed", 0]);
  await until(() => received.length === 2);
  await dispatcher.close(0);
  await notices.close(10_000);
  // Neither was sent again, because a fault of the folder is no fault of the receiver.
  expect(received).toHaveLength(2);
  expect(noticed().map(({ message }) => message)).toEqual([expect.stringMatching(/a notice cannot be kept in .*loop/)]);
});

test("a notice of a server that is found to be gone only later is given then", async () => {
  const folder = temporaryFolder();
  const { url, received } = await receiver((response) => response.writeHead(204).end());
  const notify = { url, secret: false } as const;
  const key = compileNotices("the server", notify)[0]?.key ?? "";
  new KeptNotices(folder, (message) => expect.fail(message)).keep({ id: "left", key, facts: factsOfBackup });
  const { dispatcher, notices } = dispatcherWith([bad], notify, { serverLeaseMs: 20 }, folder);
  let asked = 0;
  // The file is written by this process, so only one answer may say that its server is gone.
  notices.begin(() => ++asked === 4);
  await until(() => received.length === 1);
  expect(received[0]?.headers["webhook-id"]).toBe("left");
  await dispatcher.close(0);
  await notices.close(10_000);
  expect(readdirSync(folder)).toEqual([]);
});

test("a server that is killed while it takes notices over has removed the files only of those that it has given on", () => {
  const kept = new KeptNotices(temporaryFolder(), (message) => expect.fail(message));
  for (const id of ["a", "b"]) expect(kept.keep({ id, key: "key", facts: factsOfBackup })).toBe(true);
  for (const { id } of kept.takeOver(() => true)) {
    expect(kept.claim(id === "a" ? "b" : "a")).toBe(true);
    break;
  }
});

test("of several servers that take over a notice, one gets it", () => {
  const folder = temporaryFolder();
  const problems: string[] = [];
  const servers = Array.from({ length: 3 }, () => new KeptNotices(folder, (message) => void problems.push(message)));
  const facts = factsOfBackup;
  const [first] = servers;
  for (let round = 0; round < 20; round++) {
    expect(first?.keep({ id: `id-${round}`, key: "key", facts })).toBe(true);
    expect(servers.flatMap((server) => [...server.takeOver(() => false)])).toEqual([]);
    const taken = servers.flatMap((server) => [...server.takeOver(() => true)]);
    expect(taken).toEqual([{ id: `id-${round}`, key: "key", facts }]);
    expect(servers.map((server) => server.claim(`id-${round}`))).toEqual([false, false, false]);
  }
  writeFileSync(path.join(folder, "torn.notice"), '{"key":');
  expect([...(first?.takeOver(() => true) ?? [])]).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
  expect(problems).toEqual([expect.stringContaining("torn.notice cannot be read, and is removed")]);
});
