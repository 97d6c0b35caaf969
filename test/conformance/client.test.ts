/** Our client against a server that was written from PROTOCOL.md alone. */
import { describe, expect, test } from "vitest";
import { connect } from "iscep";
import { mintToken } from "#iscep/identity/tokens";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { testCertificate } from "../support/servers.js";
import { collect, patternBytes } from "../support/output.js";
import { serve } from "../support/conformance/server.mjs";
import { errorOf } from "../support/error-of.js";

watchForLeaks();

describe.each([
  { tls: false, withToken: false },
  { tls: false, withToken: true },
  { tls: true, withToken: true },
])("our client at a server written from PROTOCOL.md (TLS: $tls, token: $withToken)", ({ tls, withToken }) => {
  async function start() {
    const { cert, key, pin } = await testCertificate();
    const token = withToken ? mintToken() : undefined;
    const server = await serve({ token, secure: tls ? { cert, key } : false });
    later(() => server.close());
    const url = tls ? `iscep://127.0.0.1:${server.port}?pin=${pin}` : `iscep+tcp://127.0.0.1:${server.port}`;
    const client = await connect(url, {
      ...(token === undefined ? {} : { token }),
      limits: { reconnectMinDelayMs: 5 },
    });
    later(() => client.close());
    return { server, client, url };
  }

  test("asks for version 2, calls, echoes and pings", async () => {
    const { client } = await start();
    expect(client.protocol).toBe(2);
    const sums = Array.from({ length: 100 }, (_, a) => client.call("add", { a, b: 1 }));
    expect(await Promise.all(sums)).toEqual(sums.map((_, a) => a + 1));
    expect(await client.echo({ a: "ü" })).toEqual({ a: "ü" });
    expect(await client.ping()).toBeGreaterThan(0);
    expect(await errorOf(client.call("missing", {}))).toMatchObject({ code: "command_not_found" });
  });

  test("reads more output than the windows hold, also of many runs, and when it begins late", async () => {
    const { client } = await start();
    const runs = Array.from({ length: 10 }, () => client.run("speak", { bytes: 30_000 }));
    for (const { all } of await Promise.all(runs.map((run) => collect(run)))) expect(all).toHaveLength(30_000);
    const late = client.run("speak", { bytes: 30_000 });
    expect(await late.value).toBe(30_000);
    expect((await collect(late)).all).toHaveLength(30_000);
    const again = client.attach(await late.id, { offset: 12_345 });
    expect((await collect(again, 12_345)).all).toHaveLength(30_000 - 12_345);
  });

  test("sends standard input, and goes on with it over another connection", async () => {
    const { client, server } = await start();
    const sent = patternBytes(0, 40_000);
    async function* source() {
      for (let at = 0; at < sent.length; at += 5_000) {
        yield sent.subarray(at, at + 5_000);
        if (at === 15_000) server.cut();
      }
    }
    const run = client.run("copy", {}, { stdin: source() });
    expect((await collect(run)).all.equals(sent)).toBe(true);
    expect(await run.value).toBe(40_000);
  });

  test("tells no size of a window to a server that knows nothing of terminals", async () => {
    const { client, server } = await start();
    const run = client.run("copy", {}, { stdin: "four", terminal: { rows: 2, columns: 3, term: "xterm" } });
    run.resize({ rows: 5, columns: 6 });
    await run.id;
    run.resize({ rows: 7, columns: 8 });
    expect(await run.value).toBe(4);
    expect(server.unknown).toEqual([]);
  });

  test("cancels, comes back for a run, and lists runs page by page", async () => {
    const { client, server } = await start();
    const run = client.run("wait", {});
    const id = await run.id;
    server.cut();
    expect(await client.echo("there again")).toBe("there again");
    await client.cancel(id);
    expect(await run.outcome).toMatchObject({ status: "cancelled" });
    const other = client.run("speak", { bytes: 1 });
    expect(await other.value).toBe(1);
    const first = await client.runs();
    expect(first).toMatchObject({ runs: [{ command: "speak", status: "completed" }], next: await other.id });
    expect(await client.runs({ after: first.next ?? "" })).toMatchObject({ runs: [{ run: id, status: "cancelled" }] });
    expect(await errorOf(client.attach("never").value)).toMatchObject({ code: "run_not_found" });
  });

  test.runIf(withToken)("a wrong token is unauthorized", async () => {
    const { url } = await start();
    const stranger = await connect(url, { token: mintToken() });
    later(() => stranger.close());
    expect(await errorOf(stranger.call("add", { a: 1, b: 1 }))).toMatchObject({ code: "unauthorized" });
  });
});
