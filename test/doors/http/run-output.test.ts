/** The output of a run over HTTP. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand } from "iscep";
import { startHttp, type HttpServer } from "../../support/http.js";
import { until } from "../../support/until.js";

let go: (() => void) | undefined;

const print = defineCommand({
  name: "print",
  args: z.object({ pieces: z.array(z.string()), hold: z.boolean().optional() }),
  async run({ pieces, hold = false }, { output, progress }) {
    for (const [index, piece] of pieces.entries()) {
      await output.write(index % 2 === 0 ? "stdout" : "stderr", Buffer.from(piece, "base64"));
    }
    progress(0.5, "half");
    if (hold) await new Promise<void>((resolve) => (go = resolve));
    return "done";
  },
});

const flood = defineCommand({
  name: "flood",
  args: z.object({ bytes: z.int() }),
  async run({ bytes }, { output }) {
    const piece = Buffer.alloc(65_536, "x");
    for (let written = 0; written < bytes; written += piece.length) await output.write("stdout", piece);
    return bytes;
  },
});

async function start(options: Parameters<typeof startHttp>[0] = {}): Promise<HttpServer> {
  go = undefined;
  return startHttp({ commands: [print, flood], ...options });
}

async function json(response: Promise<Response>): Promise<Record<string, unknown>> {
  return (await (await response).json()) as Record<string, unknown>;
}

const texts = (pieces: string[]): string[] => pieces.map((piece) => Buffer.from(piece).toString("base64"));

describe("output", () => {
  async function printed(pieces: string[]): Promise<{ server: HttpServer; run: string }> {
    const server = await start();
    const { run } = await json(
      server.post("/commands/print", { pieces: texts(pieces) }, { prefer: "wait=20", "idempotency-key": "x" }),
    );
    return { server, run: String(run) };
  }

  test("comes as bytes, which no browser takes for a page", async () => {
    const { server, run } = await printed(["<script>", "alert(1)", "</script>"]);
    const answer = await server.ask(`/runs/${run}/output`);
    expect(await answer.text()).toBe("<script>alert(1)</script>");
    expect(answer.headers.get("content-type")).toBe("application/octet-stream");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(answer.headers.get("content-length")).toBe("25");
    expect(answer.headers.get("accept-ranges")).toBe("bytes");
  });

  test.each<[string, number, string | undefined, string]>([
    ["bytes=0-3", 206, "bytes 0-3/10", "0123"],
    ["bytes=4-", 206, "bytes 4-9/10", "456789"],
    ["bytes=-3", 206, "bytes 7-9/10", "789"],
    ["bytes=-100", 206, "bytes 0-9/10", "0123456789"],
    ["bytes=8-100", 206, "bytes 8-9/10", "89"],
    ["bytes=9-9", 206, "bytes 9-9/10", "9"],
    ["bytes=5-2", 200, undefined, "0123456789"],
    ["bytes=0-1,4-5", 200, undefined, "0123456789"],
    ["lines=0-1", 200, undefined, "0123456789"],
  ])("Range %s", async (range, status, contentRange, text) => {
    const { server, run } = await printed(["0123", "45", "6789"]);
    const answer = await server.ask(`/runs/${run}/output`, { headers: { range } });
    expect([answer.status, answer.headers.get("content-range") ?? undefined, await answer.text()]).toEqual([
      status,
      contentRange,
      text,
    ]);
  });

  test("a range beyond the end is 416, and says how much there is", async () => {
    const { server, run } = await printed(["0123"]);
    const answer = await server.ask(`/runs/${run}/output`, { headers: { range: "bytes=4-" } });
    expect([answer.status, answer.headers.get("content-range")]).toEqual([416, "bytes */4"]);
  });

  test("of one channel", async () => {
    const { server, run } = await printed(["out1 ", "err1 ", "out2"]);
    const of = async (channel: string): Promise<string> =>
      (await server.ask(`/runs/${run}/output?channel=${channel}`)).text();
    expect([await of("stdout"), await of("stderr")]).toEqual(["out1 out2", "err1 "]);
    expect((await server.ask(`/runs/${run}/output?channel=stdin`)).status).toBe(400);
  });

  test("of a run under way: what is there, or with follow all until its end", async () => {
    const server = await start();
    const { run } = await json(
      server.post("/commands/print", { pieces: texts(["abc"]), hold: true }, { prefer: "respond-async" }),
    );
    await until(async () => (await (await server.ask(`/runs/${String(run)}/output`)).text()) === "abc");
    const followed = await server.ask(`/runs/${String(run)}/output?follow`);
    const text = followed.text();
    go?.();
    expect(await text).toBe("abc");
    // Many looks over one connection leave nothing behind that would count as a call in flight.
    expect(await json(server.ask(`/runs/${String(run)}`))).toMatchObject({ status: "completed" });
  });

  test("HEAD tells the length", async () => {
    const { server, run } = await printed(["0123"]);
    const head = await server.ask(`/runs/${run}/output`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "4", ""]);
  });

  test("nothing was printed", async () => {
    const { server, run } = await printed([]);
    const answer = await server.ask(`/runs/${run}/output`);
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
  });
});
