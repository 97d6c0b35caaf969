/** Notices outlive the server that owes them. */
import { readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { compileNotices } from "#iscep/commands/notify";
import { anonymous } from "#iscep/model/identity";
import { KeptNotices } from "#iscep/notices/kept-notices";
import { serveProcess } from "../support/iscep-process.js";
import { iscep, serve } from "../support/iscep.js";
import { watchForLeaks } from "../support/leaks.js";
import { receiver } from "../support/receiver.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";
import { program, teller, dispatcherWith, bad } from "../support/notices.js";

watchForLeaks();

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
