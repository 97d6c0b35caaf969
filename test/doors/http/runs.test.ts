import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand } from "iscep";
import { startHttp, type HttpServer } from "../../support/http.js";
import { tokens } from "../../support/servers.js";
import { until } from "../../support/until.js";
import { outputEvents } from "#iscep/doors/http/runs/output-events";

interface SseEvent {
  readonly id: string | undefined;
  readonly name: string;
  readonly data: Record<string, unknown>;
}

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

/** The events of an answer, until it ends or `enough` says so. */
async function eventsOf(
  response: Response,
  enough: (events: readonly SseEvent[]) => boolean = () => false,
): Promise<SseEvent[]> {
  const events: SseEvent[] = [];
  const parser = createParser({
    onEvent: ({ id, event = "message", data }) =>
      void events.push({ id, name: event, data: JSON.parse(data) as Record<string, unknown> }),
  });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
    if (enough(events)) break;
  }
  return events;
}

function bytesOf(events: readonly SseEvent[]): Buffer {
  return Buffer.concat(
    events
      .filter(({ name }) => name === "output")
      .map(({ data }) =>
        typeof data["text"] === "string" ? Buffer.from(data["text"]) : Buffer.from(String(data["base64"]), "base64"),
      ),
  );
}

const texts = (pieces: string[]): string[] => pieces.map((piece) => Buffer.from(piece).toString("base64"));

describe("events", () => {
  test("tell start, output, progress and end; the id is the offset behind the event", async () => {
    const server = await start();
    const response = await server.post(
      "/commands/print",
      { pieces: texts(["one\n", "two\n"]) },
      { accept: "text/event-stream" },
    );
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const events = await eventsOf(response);
    const run = events[0]?.data["run"];
    expect(events.map(({ name }) => name)).toEqual(["started", "progress", "output", "output", "end"]);
    expect(events.filter(({ name }) => name === "output")).toEqual([
      { id: "4", name: "output", data: { channel: "stdout", offset: 0, text: "one\n" } },
      { id: "8", name: "output", data: { channel: "stderr", offset: 4, text: "two\n" } },
    ]);
    expect(events.at(-1)).toEqual({ id: "8", name: "end", data: { run, status: "completed", value: "done" } });
    const record = await json(server.ask(`/runs/${String(run)}`));
    expect(record).toMatchObject({
      run,
      command: "print",
      owner: "alice",
      outputBytes: 8,
      status: "completed",
      value: "done",
    });
  });

  test("a call that is refused is a problem, and no stream", async () => {
    const server = await start();
    const refused = await server.post("/commands/print", { pieces: 1 }, { accept: "text/event-stream" });
    expect([refused.status, refused.headers.get("content-type")]).toEqual([422, "application/problem+json"]);
    const unknown = await server.ask("/runs/01a2243a-f5b7-7f72-9804-e4f7e325b0a9/events");
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ code: "run_not_found" });
  });

  test("resume at the byte, by Last-Event-ID or by offset: nothing is lost, and nothing comes twice", async () => {
    const server = await start();
    const pieces = ["ä€😀", "plain", "\u0000\u0007", "ünïcödé"].map((text) => Buffer.from(text));
    const whole = Buffer.concat(pieces);
    const { run } = await json(
      server.post("/commands/print", { pieces: pieces.map((piece) => piece.toString("base64")) }, { prefer: "wait=0" }),
    );
    for (let offset = 0; offset <= whole.length; offset++) {
      const [byId, byQuery] = await Promise.all([
        server.ask(`/runs/${String(run)}/events`, { headers: { "last-event-id": String(offset) } }),
        server.ask(`/runs/${String(run)}/events?offset=${offset}`),
      ]);
      for (const response of [byId, byQuery]) {
        const events = await eventsOf(response);
        expect(bytesOf(events).equals(whole.subarray(offset))).toBe(true);
        expect(events.at(-1)).toMatchObject({ id: String(whole.length), name: "end" });
      }
    }
  });

  test("a reader who leaves and comes back again and again has each byte once", async () => {
    const server = await start();
    const response = await server.post("/commands/flood", { bytes: 768 * 1024 }, { prefer: "respond-async" });
    const { run } = (await response.json()) as { run: string };
    let next = "0";
    let received = 0;
    for (let visit = 0; ; visit++) {
      const answer = await server.ask(`/runs/${run}/events`, { headers: { "last-event-id": next } });
      const events = await eventsOf(answer, (all) => visit < 10 && all.length >= 2);
      for (const { name, data, id } of events) {
        if (name !== "output") continue;
        expect(data["offset"]).toBe(received);
        received += bytesOf([{ id, name, data }]).length;
        next = id ?? next;
      }
      if (events.at(-1)?.name === "end") break;
    }
    expect(received).toBe(768 * 1024);
  });

  test("an offset beyond the output is refused, and one that is none too", async () => {
    const server = await start();
    const { run } = await json(
      server.post("/commands/print", { pieces: texts(["x"]) }, { prefer: "wait=20", "idempotency-key": "a" }),
    );
    const beyond = await server.ask(`/runs/${String(run)}/events?offset=100`);
    expect([beyond.status, await beyond.json()]).toMatchObject([422, { code: "invalid_arguments" }]);
    for (const wrong of ["-1", "x", "1.5", "9007199254740993"]) {
      expect((await server.ask(`/runs/${String(run)}/events?offset=${wrong}`)).status).toBe(400);
    }
  });

  test("output that is no longer kept is 410", async () => {
    const server = await start({ limits: { maxRetainedOutputBytes: 65_536 } });
    const { run } = await json(
      server.post("/commands/flood", { bytes: 8 * 1024 * 1024 }, { prefer: "wait=20", "idempotency-key": "b" }),
    );
    const gone = await server.ask(`/runs/${String(run)}/events`);
    expect([gone.status, await gone.json()]).toMatchObject([
      410,
      { code: "output_gone", start: expect.any(Number) as unknown },
    ]);
  });

  test("a comment is sent while nothing happens", async () => {
    const server = await start({ limits: { eventHeartbeatMs: 30 } });
    const raw = await server.bytes();
    const body = JSON.stringify({ pieces: [], hold: true });
    raw.send(
      "POST /commands/print HTTP/1.1",
      "Host: localhost",
      `Authorization: Bearer ${tokens.alice}`,
      "Content-Type: application/json",
      "Accept: text/event-stream",
      `Content-Length: ${body.length}`,
      "",
      body,
    );
    await raw.until(/(?:\n:\n\n[^]*){3}/);
    go?.();
    expect(await raw.until(/event: end/)).toContain("completed");
  });

  // honojs/hono#1902, #2273: writers that were stuck after the peer had closed, and heartbeats that piled up.
  test("a reader that stops holds the run, and no memory; when it is gone, the run goes on", async () => {
    const server = await start();
    const raw = await server.bytes();
    raw.socket.pause();
    const body = JSON.stringify({ bytes: 64 * 1024 * 1024 });
    raw.send(
      "POST /commands/flood HTTP/1.1",
      "Host: localhost",
      `Authorization: Bearer ${tokens.alice}`,
      "Content-Type: application/json",
      "Accept: text/event-stream",
      `Content-Length: ${body.length}`,
      "",
      body,
    );
    let run = "";
    await until(async () => {
      const { runs } = (await json(server.ask("/runs"))) as { runs: { run: string }[] };
      run = runs[0]?.run ?? "";
      return run !== "";
    });
    const written = async (): Promise<number> => Number((await json(server.ask(`/runs/${run}`)))["outputBytes"]);
    let before = -1;
    await until(async () => {
      const now = await written();
      const isStill = now === before && now > 0;
      before = now;
      if (!isStill) await sleep(100);
      return isStill;
    });
    expect(before).toBeLessThan(32 * 1024 * 1024);
    raw.socket.destroy();
    expect(await json(server.ask(`/runs/${run}`, { headers: { prefer: "wait=25" } }))).toMatchObject({
      status: "completed",
    });
  });

  test("HEAD runs nothing, and holds nothing", async () => {
    const server = await start();
    const { run } = await json(server.post("/commands/print", { pieces: [], hold: true }, { prefer: "respond-async" }));
    const head = await server.ask(`/runs/${String(run)}/events`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    go?.();
  });

  test("every cut of every text is told so that the bytes are the same", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string({ unit: "grapheme" }), fc.uint8Array()), { maxLength: 6 }),
        fc.nat(40),
        (parts, step) => {
          const whole = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
          const size = step + 1;
          const got: SseEvent[] = [];
          const parser = createParser({
            onEvent: ({ id, event = "", data }) =>
              void got.push({ id, name: event, data: JSON.parse(data) as Record<string, unknown> }),
          });
          for (let at = 0; at < whole.length; at += size) {
            parser.feed(
              Buffer.concat(
                outputEvents({ channel: "stdout", offset: at, bytes: whole.subarray(at, at + size) }),
              ).toString(),
            );
          }
          expect(bytesOf(got).equals(whole)).toBe(true);
          let offset = 0;
          for (const event of got) {
            expect(event.data["offset"]).toBe(offset);
            offset = Number(event.id);
          }
        },
      ),
    );
  });
});

describe("the list", () => {
  test("has filters and pages", async () => {
    const server = await start();
    for (let n = 0; n < 5; n++) await server.post("/commands/print", { pieces: [] }, { "idempotency-key": `k${n}` });
    const all = (await json(server.ask("/runs"))) as { runs: { run: string }[]; next: string | null };
    expect(all.runs.length).toBe(5);
    expect(all.next).toBeNull();
    const found: string[] = [];
    let next: string | null = "";
    while (next !== null) {
      const page = (await json(server.ask(`/runs?limit=2${next === "" ? "" : `&cursor=${next}`}`))) as typeof all;
      found.push(...page.runs.map(({ run }) => run));
      ({ next } = page);
    }
    expect(found).toEqual(all.runs.map(({ run }) => run));
    const of = async (query: string): Promise<number> =>
      ((await json(server.ask(`/runs?${query}`)))["runs"] as unknown[]).length;
    expect([
      await of("command=print"),
      await of("command=flood"),
      await of("status=completed"),
      await of("status=failed"),
    ]).toEqual([5, 0, 5, 0]);
    expect([await of("since=2020-01-01T00:00:00Z"), await of(`since=${Date.now() + 60_000}`)]).toEqual([5, 0]);
  });

  test.each(["status=wrong", "since=yesterday", "limit=x", "unknown=1"])(
    "%s is refused with what there is",
    async (query) => {
      const server = await start();
      const answer = await server.ask(`/runs?${query}`);
      expect([answer.status, answer.headers.get("content-type")]).toEqual([400, "application/problem+json"]);
    },
  );

  test("cancel: 204, and the run ends", async () => {
    const server = await start();
    const { run } = await json(server.post("/commands/print", { pieces: [], hold: true }, { prefer: "respond-async" }));
    expect((await server.ask(`/runs/${String(run)}`, { method: "DELETE" })).status).toBe(204);
    const ended = await json(server.ask(`/runs/${String(run)}`, { headers: { prefer: "wait=20" } }));
    expect(ended).toMatchObject({ status: "cancelled", error: { code: "cancelled" } });
    expect((await server.ask("/runs/unknown", { method: "DELETE" })).status).toBe(404);
  });
});
