/** Instances that are processes of their own, which hang or are killed. */
import path from "node:path";
import { describe, expect, test } from "vitest";
import { writeFileSync } from "node:fs";
import { connect } from "iscep";
import { later } from "../../support/cleanup.js";
import { errorOf } from "../../support/error-of.js";
import { serveProcess } from "../../support/iscep-process.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { until } from "../../support/until.js";

/** An instance that has no tokens, whose command `slow` goes on for a minute. */
async function instance(nats: NatsServer) {
  const folder = temporaryFolder();
  const file = path.join(folder, "iscep.yaml");
  writeFileSync(
    file,
    `listen: unix:s.sock\nnats: { url: "${nats.url}/world" }\ncommands:\n  slow: { run: [sleep, "60"] }\n  pid: { run: [sh, -c, "echo $PPID"] }\n`,
  );
  const { child } = await serveProcess([file], { folder, environment: { ISCEP_STATE_DIR: folder } });
  later(() => child.kill("SIGKILL"));
  return child;
}

describe.skipIf(natsServerProgram === undefined)("an instance over a broker", () => {
  test.each(["SIGSTOP", "SIGKILL"] as const)(
    "that gets %s has its runs lost, and no call waits for it",
    async (signal) => {
      const nats = await NatsServer.start();
      const child = await instance(nats);
      const client = await connect(`${nats.url}/world`);
      later(() => client.close());
      const [run, call] = [client.run("slow"), errorOf(client.call("slow"))];
      await run.id;
      await until(async () => (await client.runs({ status: "running" })).runs.length === 2);
      const other = await instance(nats);
      await until(async () => (await client.instances()).length === 2);
      child.kill(signal);
      expect(await run.outcome).toMatchObject({ status: "lost" });
      expect(await call).toMatchObject({ code: "lost" });
      const { stdout } = (await client.call("pid")) as { stdout: string };
      expect(stdout).toBe(`${(other as unknown as { pid: number }).pid}\n`);
      child.kill("SIGCONT");
      // One that only hung is an instance again.
      if (signal === "SIGSTOP") await until(async () => (await client.instances()).length === 2);
    },
  );
});
