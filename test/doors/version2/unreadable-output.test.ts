/**
 * A part of the kept output of a run that has ended cannot be read. The caller who asked for it is told, and others are
 * not disturbed.
 */
import { mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { Client } from "iscep";
import { later } from "../../support/cleanup.js";
import { gate } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { collect, patternBytes, writer } from "../../support/output.js";
import { helloPacket, messages, nonce, rawSession, request } from "../../support/raw-session.js";
import { startServer, type TestServer } from "../../support/servers.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { until } from "../../support/until.js";

watchForLeaks();

const bytes = 300_000;

/** The middle one of the files is not there: a folder, which even root cannot read as a file, is in its place. */
async function withGap() {
  const runsFolder = path.join(temporaryFolder(), "runs");
  const slow = gate();
  const limits = { maxRetainedOutputBytes: 20_000, outputSegmentBytes: 100_000, maxUnwrittenOutputBytes: 50_000 };
  const server = await startServer({ commands: [writer().command, slow.command], tokens: false, runsFolder, limits });
  const client = await server.client({ protocol: 2 });
  const run = client.run("write", { bytes, piece: 5_000 });
  await collect(run);
  const files = (): string[] => readdirSync(runsFolder).filter((name) => name.endsWith(".out"));
  const size = (): number => files().reduce((sum, name) => sum + statSync(path.join(runsFolder, name)).size, 0);
  await until(() => size() >= bytes);
  const [, second, third] = files().sort();
  if (second === undefined || third === undefined) throw new Error("the output is in too few files");
  renameSync(path.join(runsFolder, second), path.join(runsFolder, "aside"));
  mkdirSync(path.join(runsFolder, second));
  const offsetOf = (name: string): number => Number(name.split(".")[1]);
  return { server, client, slow, id: await run.id, gap: [offsetOf(second), offsetOf(third)] as const };
}

const clients: Record<string, (server: TestServer, client: Client) => Client> = {
  "over a socket": (_, client) => client,
  "in this process": ({ server }) => server.client({ source: "test" }),
};

test.each(Object.keys(clients))("it ends its own output alone (%s)", async (where) => {
  const { server, client: remote, slow, id, gap } = await withGap();
  const client = clients[where]?.(server, remote) ?? remote;
  later(() => client.close());
  const other = client.call("gate", {});
  const attached = client.attach(id, { offset: 0 });
  let at = 0;
  const reading = (async () => {
    for await (const chunk of attached.output) {
      expect(Buffer.from(chunk.bytes).equals(patternBytes(at, chunk.bytes.length))).toBe(true);
      at += chunk.bytes.length;
    }
  })();
  expect(await errorOf(reading)).toMatchObject({ code: "output_gone", details: { start: gap[1] } });
  expect(at).toBe(gap[0]);
  expect(await attached.outcome).toEqual({ status: "completed", value: bytes });
  const { all } = await collect(client.attach(id, { offset: gap[1] }), gap[1]);
  expect(all.equals(patternBytes(gap[1], bytes - gap[1]))).toBe(true);
  slow.open();
  expect(await other).toBe("through");
});

test("a client is told by the notification that it knows, and else the session ends", async () => {
  const { server, id, gap } = await withGap();
  const [knowing, older] = [await rawSession(server, false), await rawSession(server)];
  knowing.send(helloPacket({ versions: [2], nonce: nonce(), notifications: ["later", "output_gone"] }));
  await knowing.until(() => knowing.packets.length > 0);
  for (const session of [knowing, older]) session.send(messages(request(3, "attach", { run: id, offset: 0 })));
  expect(await knowing.response(3)).toMatchObject({ result: { output: bytes } });
  await knowing.until(() => knowing.messages.some(({ method }) => method === "output_gone"));
  expect(knowing.messages.find(({ method }) => method === "output_gone")).toEqual({
    jsonrpc: "2.0",
    method: "output_gone",
    params: { call: 3, message: expect.stringMatching(/cannot be read now/), start: gap[1] },
  });
  knowing.send(messages(request(4, "ping")));
  expect(await knowing.response(4)).toMatchObject({ result: {} });
  expect(await older.response(3)).toMatchObject({ result: { output: bytes } });
  expect(await older.goaway()).toMatchObject({ code: "output_gone" });
});
