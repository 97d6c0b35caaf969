/** The steps of docs/SCALING.md with the files of examples/nats, as processes: a broker, three instances, callers. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { later } from "../support/cleanup.js";
import { iscepProcess, serveProcess } from "../support/iscep-process.js";
import { iscep, type Ended } from "../support/iscep.js";
import { NatsServer, natsServerProgram } from "../support/nats-server.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

const folder = "examples/nats";
const passwords = { NATS_INSTANCE_PASSWORD: "instance-secret", NATS_CALLER_PASSWORD: "caller-secret" };

function rows(text: string): string[][] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
}

test("the compose file has a broker that is new enough, three instances, and the passwords of the document", () => {
  const { services } = parse(readFileSync(path.join(folder, "compose.yaml"), "utf8"), { merge: true }) as {
    services: Record<string, { image?: string; environment: Record<string, string>; deploy?: { replicas: number } }>;
  };
  expect(services["nats"]?.image).toBe("nats:2.14");
  expect(services["world"]?.deploy?.replicas).toBe(3);
  const text = readFileSync("docs/SCALING.md", "utf8");
  for (const [name, password] of Object.entries(passwords)) {
    for (const service of ["nats", "world"])
      expect(services[service]?.environment[name]).toBe(`\${${name}:-${password}}`);
    expect(text).toContain(`:${password}@`);
  }
});

describe.skipIf(natsServerProgram === undefined)("three instances", () => {
  test("are started, called, killed and started again as the document says", async () => {
    let conf = readFileSync(path.join(folder, "nats.conf"), "utf8");
    for (const [name, password] of Object.entries(passwords)) conf = conf.replace(`$${name}`, `"${password}"`);
    const place = temporaryFolder();
    const nats = await NatsServer.start({ config: conf.replace("/data", path.join(place, "waiting")) });
    const tokens = path.join(place, "tokens.json");
    const yaml = readFileSync(path.join(folder, "iscep.yaml"), "utf8")
      .replace("nats://nats:4222", nats.url)
      .replace("/var/lib/iscep/tokens.json", tokens)
      .replace("commands:", "commands:\n  slow: { run: [sleep, '60'] }");
    writeFileSync(path.join(place, "iscep.yaml"), yaml);
    const environment = { ISCEP_TOKENS_FILE: tokens, ...passwords };
    const added = await iscepProcess(["tokens", "add", "operator", "--json"], { folder: place, environment });
    const { token } = JSON.parse(added.stdout) as { token: string };

    const start = (number: number) =>
      serveProcess(["--unix", path.join(place, `${number}.sock`), "iscep.yaml"], {
        folder: place,
        environment: { ...environment, ISCEP_STATE_DIR: path.join(place, `state-${number}`) },
      });
    const servers = await Promise.all([1, 2, 3].map(start));
    for (const { child } of servers) later(() => child.kill("SIGKILL"));
    const ISCEP_URL = `${nats.url.replace("nats://", `nats://caller:${passwords.NATS_CALLER_PASSWORD}@`)}/world`;
    const caller = { folder: place, environment: { ISCEP_URL, ISCEP_TOKEN: token } };
    const call = (...words: string[]): Promise<Ended> => iscepProcess(words, caller);
    /** The same, for what is asked again and again: a process of its own takes longer to start than to ask. */
    const look = (...words: string[]): Promise<Ended> => iscep(words, caller);

    // On a busy machine, an instance may stand still for longer than somebody who has just come waits for its word.
    let instances = await call("instances");
    while (rows(instances.stdout).length < 4) instances = await look("instances");
    expect(instances).toMatchObject({ code: 0, stderr: "" });
    expect(rows(instances.stdout).map(([, state]) => state)).toEqual(["STATE", "ready", "ready", "ready"]);
    const where = await call("call", "where");
    expect(where).toMatchObject({ code: 0, stderr: "" });
    const answers = rows(instances.stdout)
      .slice(1)
      .map(([instance]) => `${instance} | ${where.stdout}`);
    let everywhere = await call("call", "--all", "where");
    while (!answers.every((answer) => everywhere.stdout.includes(answer)))
      everywhere = await look("call", "--all", "where");
    expect(everywhere).toMatchObject({ code: 0, stderr: "" });

    // One is killed while it works: its run is lost, and the others are cancelled.
    const running = async (): Promise<{ run: string }[]> =>
      JSON.parse((await look("runs", "--json", "--status", "running")).stdout) as { run: string }[];
    const cancelled = async (ended: Promise<Ended>): Promise<Ended> => {
      let isOver = false;
      void ended.finally(() => (isOver = true));
      await until(async () => {
        for (const { run } of isOver ? [] : await running()) await look("runs", "cancel", run);
        return isOver;
      });
      return ended;
    };
    let slow = call("call", "--all", "--json", "slow");
    for (let looks = 1; (await running()).length < 3; looks++) {
      if (looks % 10 !== 0) continue;
      await cancelled(slow);
      slow = call("call", "--all", "--json", "slow");
    }
    servers[0]!.child.kill("SIGKILL");
    await until(async () => rows((await look("instances")).stdout).length === 3);
    const outcomes = JSON.parse((await cancelled(slow)).stdout) as { status: string }[];
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["cancelled", "cancelled", "lost"]);

    // The others are restarted one after the other, and each call is answered.
    for (const number of [1, 2]) {
      const leaving = servers[number]!.stop();
      expect(await call("call", "where")).toMatchObject({ code: 0 });
      expect(await leaving).toMatchObject({ code: 0 });
      const again = await start(number + 1);
      later(() => again.child.kill("SIGKILL"));
    }
    expect(await call("call", "--all", "where")).toMatchObject({ code: 0 });

    await nats.kill();
    const gone = await call("instances");
    expect(gone.code).toBe(69);
    await nats.restart();
    await until(async () => (await look("call", "where")).code === 0);
    expect(await call("call", "where")).toMatchObject({ code: 0 });
    const stranger = await iscepProcess(["call", "where"], {
      folder: place,
      environment: { ISCEP_URL: ISCEP_URL.replace("caller-secret", "guessed"), ISCEP_TOKEN: token },
    });
    expect(stranger.code).toBe(77);
  }, 120_000);
});
