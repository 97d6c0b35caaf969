/**
 * examples/postgresql with a PostgreSQL server of its own: what operators do every day, called from outside as they do
 * it. Skipped where PostgreSQL is not installed; .ci/run installs it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, cpSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { connect, type Client } from "iscep";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { iscep, startServer } from "../../examples/support/service.js";
import { mainFile } from "../support/iscep-process.js";
import { isStress } from "../support/rounds.js";
import { PostgresServer, postgresPrograms } from "../support/postgres-server.js";
import { until } from "../support/until.js";

const programs = postgresPrograms();
const mayBeSkipped = process.env["CI"] === undefined;
if (programs === undefined && mayBeSkipped)
  console.warn("skipped: the example of PostgreSQL, as it is not installed here (apt-get install postgresql)");

const rows = 13_000;
/** Values of all kinds, with what a text format could break on; a dump of some MiB, more than all windows together. */
const schema = `
  create table player (id int primary key, name text not null, joined timestamptz not null, skin bytea);
  create table score (player int not null references player, run bigserial, points numeric(12, 4), note text);
  create index on score (points);
  insert into player
    select n, E'Zoë\\t"' || n || E'"\\n\\\\.\\n', timestamptz '2026-01-01' + n * interval '1 second',
      case when n % 7 = 0 then null else (select decode(string_agg(md5(n || '/' || k), ''), 'hex') from generate_series(1, 24) k) end
    from generate_series(1, ${rows}) n;
  insert into score (player, points, note)
    select n, n * 1.0001, case when n % 3 = 0 then null else md5((n * 31)::text) || repeat(md5(n::text), 8) end
    from generate_series(1, ${rows}) n;
`;

describe.skipIf(programs === undefined && mayBeSkipped)(
  "PostgreSQL from outside (skipped where it is not installed)",
  () => {
    const folder = programs === undefined ? "" : mkdtempSync(path.join(os.tmpdir(), "iscep-postgresql-"));
    const environment = { PATH: process.env["PATH"], HOME: folder, ISCEP_STATE_DIR: path.join(folder, "state") };
    const file = (name: string): string => path.join(folder, name);
    const dump = file("app.dump");
    let postgres: PostgresServer;
    let server: Awaited<ReturnType<typeof startServer>>;
    let caller: NodeJS.ProcessEnv;
    let client: Client;
    let backup: Awaited<ReturnType<typeof called>>;

    beforeAll(async () => {
      if (programs === undefined) throw new Error(".ci/run may not skip this: PostgreSQL is not installed");
      postgres = await PostgresServer.start(programs);
      for (const name of ["app", "copy", "broken", "interrupted"])
        postgres.query("postgres", `create database ${name}`);
      postgres.query("app", schema);

      cpSync("examples/postgresql", folder, { recursive: true });
      const configuration = readFileSync(file("iscep.yaml"), "utf8");
      writeFileSync(file("iscep.yaml"), configuration.replace("limits: {", "limits: { caller_grace_ms: 500,"));
      writeFileSync(file("pg_service.conf"), `[main]\nhost=${postgres.folder}\nuser=postgres\n`);
      await iscep(["tokens", "add", "somebody-else"], { folder, environment });
      server = await startServer(["--port", "0"], { folder, environment });
      const made = await iscep(["tokens", "add", "operator", "--url", server.url, "--json"], { folder, environment });
      const { url } = JSON.parse(made) as { url: string };
      caller = { ...environment, ISCEP_URL: url };
      client = await connect(url, { timeoutMs: 60_000 });
      backup = await called(["backup", "--database", "app"], { to: dump });
    }, 60_000);

    afterAll(async () => {
      await client?.close();
      await server?.stop();
      await postgres?.stop();
      if (folder !== "") rmSync(folder, { recursive: true, force: true });
    });

    /** `iscep call WORDS <from >to`. */
    function call(words: readonly string[], { from, to }: { from?: string; to?: string } = {}): ChildProcess {
      const input = from === undefined ? "ignore" : openSync(from, "r");
      const output = to === undefined ? "pipe" : openSync(to, "w");
      const child = spawn(process.execPath, [mainFile, "call", ...words], {
        cwd: folder,
        env: caller,
        stdio: [input, output, "pipe"],
      });
      for (const descriptor of [input, output]) if (typeof descriptor === "number") closeSync(descriptor);
      return child;
    }

    async function called(words: readonly string[], files: { from?: string; to?: string } = {}) {
      const child = call(words, files);
      let [stdout, stderr] = ["", ""];
      child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      const [code] = (await once(child, "close")) as [number | null];
      return { code, stdout, stderr };
    }

    const tablesOf = (database: string): string =>
      postgres.query(
        database,
        "select count(*) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
      );

    test("tables answers with JSON", async () => {
      postgres.query("app", "analyze");
      const { code, stdout } = await called(["tables", "--database", "app"]);
      const tables = JSON.parse(stdout) as { schema: string; table: string; bytes: number; rows: number }[];
      expect(code).toBe(0);
      expect(tables.map(({ schema, table, rows }) => ({ schema, table, rows }))).toEqual([
        { schema: "public", table: "player", rows },
        { schema: "public", table: "score", rows },
      ]);
      expect(tables.every(({ bytes }) => bytes > 1_000_000)).toBe(true);
      expect(await client.call("tables", { database: "app" })).toEqual(tables);
      expect(await client.call("tables", { database: "broken" })).toEqual([]);
    });

    test("a backup that is streamed to a file, and restored from it into another database, has every row", async () => {
      expect(backup).toMatchObject({ code: 0, stderr: "" });
      expect(readFileSync(dump).subarray(0, 5).toString()).toBe("PGDMP");
      expect(statSync(dump).size).toBeGreaterThan(4 * 1024 * 1024);

      expect(await called(["restore", "--database", "copy"], { from: dump })).toEqual({
        code: 0,
        stdout: "",
        stderr: "",
      });
      for (const query of [
        "select * from player order by id",
        "select * from score order by run",
        "select last_value from score_run_seq",
      ]) {
        const [original, copy] = ["app", "copy"].map((database) =>
          postgres.query(database, `copy (${query}) to stdout`),
        );
        expect(copy === original, `the rows of \`${query}\` are the same`).toBe(true);
      }
      expect(postgres.query("copy", "select count(*) from player join score on player = id")).toBe(String(rows));
    }, 60_000);

    test("a dump into a database that is not empty fails, changes nothing, and says why", async () => {
      const { code, stderr } = await called(["restore", "--database", "app"], { from: dump });
      expect(code).toBe(1);
      expect(stderr).toContain('relation "player" already exists');
      expect(postgres.query("app", "select count(*) from score")).toBe(String(rows));
    });

    test("a dump that breaks off is refused as a whole, wherever it does", async () => {
      const bytes = readFileSync(dump);
      const cut = file("cut.dump");
      for (const part of [0, 0.001, 0.6, 0.999, ...(isStress ? [0.3, 0.9] : [])]) {
        writeFileSync(cut, bytes.subarray(0, Math.floor(bytes.length * part)));
        const { code } = await called(["restore", "--database", "broken"], { from: cut });
        expect({ part, code, tables: tablesOf("broken") }).toEqual({ part, code: 1, tables: "0" });
      }
    }, 60_000);

    test("a restore whose caller is killed in the middle of it leaves nothing, and is never shown as complete", async () => {
      const bytes = readFileSync(dump);
      const half = spawn(process.execPath, [mainFile, "call", "restore", "--database", "interrupted"], {
        cwd: folder,
        env: caller,
        stdio: ["pipe", "ignore", "ignore"],
      });
      half.stdin.on("error", () => {});
      half.stdin.write(bytes.subarray(0, Math.floor(bytes.length / 2)));
      const atWork = (): boolean =>
        postgres.query(
          "postgres",
          "select count(*) from pg_stat_activity where datname = 'interrupted' and query ilike 'copy %'",
        ) === "1";
      await until(atWork, "the restore did not begin");
      half.kill("SIGKILL");
      await once(half, "close");
      await until(
        () => postgres.query("postgres", "select count(*) from pg_stat_activity where datname = 'interrupted'") === "0",
        "the restore is still there",
      );
      expect(tablesOf("interrupted")).toBe("0");
      const listed = (): Promise<string> => iscep(["runs"], { folder, environment: caller });
      await expect.poll(listed).toMatch(/^\S+ +restore +cancelled /m);
      // The database is then free for a run that succeeds.
      expect((await called(["restore", "--database", "interrupted"], { from: dump })).code).toBe(0);
      expect(tablesOf("interrupted")).toBe("2");
    }, 60_000);

    test("two who vacuum a database at once share one vacuum", async () => {
      const held = await postgres.holdTable("app", "player");
      try {
        const before = vacuums(postgres.log);
        const first = client.run("vacuum", { database: "app" });
        await until(() => vacuums(postgres.log) > before, "the vacuum did not begin");
        // Its output is there while it waits for the table.
        const output = first.output[Symbol.asyncIterator]();
        expect(Buffer.from((await output.next()).value.bytes).toString()).toContain("vacuuming database");
        const second = client.run("vacuum", { database: "app" });
        await second.id;
        await held.release();
        while ((await output.next()).done !== true);
        const [one, other] = await Promise.all([first.outcome, second.outcome]);
        expect(one).toMatchObject({ status: "completed", value: { exitCode: 0 } });
        expect(other).toEqual(one);
        expect(vacuums(postgres.log)).toBe(before + 1);
      } finally {
        await held.release();
      }
    }, 60_000);

    test.each([
      "host=elsewhere",
      "postgresql://elsewhere/app",
      "app dbname=postgres",
      "--help",
      "App",
      "",
      "a".repeat(64),
    ])("%j is no name of a database, and no program sees it", async (database) => {
      for (const command of ["tables", "backup", "restore", "vacuum"])
        await expect(client.call(command, { database })).rejects.toMatchObject({ code: "invalid_arguments" });
    });
  },
);

const vacuums = (log: string): number => log.match(/statement: VACUUM .*\bpublic\.player\b/g)?.length ?? 0;
