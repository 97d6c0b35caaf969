/** A PostgreSQL server in a folder of its own, on a unix socket only. It takes no root, so for root it is another user's. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const debian = "/usr/lib/postgresql";

/** The folder of initdb and postgres, which Debian has not in the PATH; undefined when it is not installed. */
export function postgresPrograms(): string | undefined {
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const inPath = (process.env["PATH"] ?? "").split(path.delimiter);
  return [...versions.map((version) => path.join(debian, version, "bin")), ...inPath].find((folder) =>
    ["initdb", "postgres", "psql"].every((program) => existsSync(path.join(folder, program))),
  );
}

export class PostgresServer {
  /** Where its socket is, and its databases. */
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly #programs: string;

  private constructor(folder: string, child: ChildProcess, programs: string) {
    this.folder = folder;
    this.#child = child;
    this.#programs = programs;
  }

  static async start(programs: string): Promise<PostgresServer> {
    const folder = mkdtempSync(path.join(os.tmpdir(), "iscep-postgres-"));
    const user = userOfServer();
    if (user !== undefined) chownSync(folder, user.uid, user.gid);
    const data = path.join(folder, "data");
    const options = { cwd: folder, ...user };
    const settings = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync"];
    execFileSync(path.join(programs, "initdb"), [...settings, data], { ...options, stdio: "pipe" });
    const words = ["-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"];
    // So that the test can tell how often a command did its work.
    words.push("-c", "log_statement=all", "-c", "log_line_prefix=%a|");
    const child = spawn(path.join(programs, "postgres"), words, { ...options, stdio: ["ignore", "ignore", "pipe"] });
    const server = new PostgresServer(folder, child, programs);
    child.stderr.setEncoding("utf8").on("data", (text: string) => (server.#log += text));
    const kill = (): void => void child.kill("SIGQUIT");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    while (!server.#log.includes("ready to accept connections")) {
      await Promise.race([once(child.stderr, "data"), once(child, "exit")]);
      if (child.exitCode !== null) throw new Error(`PostgreSQL did not start: ${server.#log}`);
    }
    return server;
  }

  #log = "";

  /** What it was asked, by all. */
  get log(): string {
    return this.#log;
  }

  /** What psql prints for a query, a row a line. */
  query(database: string, sql: string): string {
    const words = ["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"];
    const where = ["--host", this.folder, "--username", "postgres", "--dbname", database];
    const psql = path.join(this.#programs, "psql");
    return execFileSync(psql, [...words, ...where], {
      input: sql,
      encoding: "utf8",
      maxBuffer: 256 * 1024 * 1024,
    }).trimEnd();
  }

  /** So that nothing can vacuum the table meanwhile. */
  async holdTable(database: string, table: string): Promise<{ release(): Promise<void> }> {
    const words = ["--no-psqlrc", "--quiet", "--host", this.folder, "--username", "postgres", "--dbname", database];
    const psql = spawn(path.join(this.#programs, "psql"), words, { stdio: ["pipe", "pipe", "inherit"] });
    const ended = once(psql, "close");
    psql.stdin.write(`begin;\nlock table ${table} in share update exclusive mode;\n\\echo held\n`);
    await Promise.race([once(psql.stdout, "data"), ended]);
    if (psql.exitCode !== null) throw new Error(`the table ${table} could not be held`);
    return {
      async release() {
        psql.stdin.end();
        await ended;
      },
    };
  }

  /** Ends it at once: what it holds is for the test only. */
  async stop(): Promise<void> {
    const gone = once(this.#child, "exit");
    if (this.#child.exitCode === null && this.#child.kill("SIGINT")) await gone;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function userOfServer(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (kind: string): number => Number(execFileSync("id", [kind, "postgres"], { encoding: "utf8" }));
  return { uid: idOf("-u"), gid: idOf("-g") };
}
