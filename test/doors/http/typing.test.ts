import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import { statusesOf } from "../../support/http.js";
import { watchForLeaks } from "../../support/leaks.js";
import { tokens } from "../../support/servers.js";
import { until } from "../../support/until.js";
import { start, json, open, ofBytes, type, typed, ended, outputOf } from "../../support/http-typing.js";

watchForLeaks();

describe("open standard input", () => {
  test("lets a program answer what a command asks, and end the input", async () => {
    const server = await start();
    const run = await open(server, "ask");
    await until(async () => (await outputOf(server, run)) === "who? ");
    expect(await typed(server, run, "Ada\n")).toEqual([200, 4]);
    await until(async () => (await outputOf(server, run)) === "who? hello, Ada\n");
    expect(await typed(server, run, "rest", "?end")).toEqual([200, 8]);
    expect(await ended(server, run)).toMatchObject({
      status: "completed",
      value: { stdout: "who? hello, Ada\nrest" },
    });
  });

  test("is told live: the answer is the run from its beginning", async () => {
    const server = await start();
    const raw = await server.bytes();
    raw.send(
      "POST /commands/ask?stdin=open HTTP/1.1",
      "Host: localhost",
      `Authorization: Bearer ${tokens.alice}`,
      "Accept: text/event-stream",
      "Content-Length: 0",
      "",
      "",
    );
    const run = /"run":"([^"]+)"/.exec(await raw.until(/who\?/))?.[1] ?? "";
    expect(await typed(server, run, "Bob\n", "?end")).toEqual([200, 4]);
    expect(await raw.until(/event: end/)).toContain("hello, Bob");
  });

  test("goes on where it was after a reload: the run tells its owner the offset, and nobody else", async () => {
    const server = await start();
    const { token } = await addToken(server.tokensFile, { owner: "carl", scopes: ["runs:all"] });
    const run = await open(server);
    await typed(server, run, "one\n");
    expect(await json(server.ask(`/runs/${run}`))).toMatchObject({ status: "running", input: { offset: 4 } });
    const seen = await json(server.ask(`/runs/${run}`, { headers: { authorization: `Bearer ${token}` } }));
    expect([seen["run"], seen["input"]]).toEqual([run, undefined]);
    await typed(server, run, "", "?end");
    expect((await ended(server, run))["input"]).toBeUndefined();
  });

  test("takes nothing twice, and leaves no gap", async () => {
    const server = await start();
    const run = await open(server);
    expect(await typed(server, run, "abc", "?offset=0")).toEqual([200, 3]);
    expect(await typed(server, run, "abc", "?offset=0")).toEqual([200, 3]);
    expect(await typed(server, run, "bcde", "?offset=1")).toEqual([200, 5]);
    expect(await typed(server, run, "xyz", "?offset=6")).toEqual([409, 5]);
    expect(await typed(server, run, "", "?offset=5&end")).toEqual([200, 5]);
    expect(await ended(server, run)).toMatchObject({ value: { stdout: "abcde" } });
  });

  test("counts the bytes of each writer apart, so none takes those of another for its own", async () => {
    const server = await start();
    const run = await open(server);
    expect(await typed(server, run, "pw", "?writer=b&offset=0")).toEqual([200, 2]);
    expect(await typed(server, run, "ls\n", "?writer=a&offset=0")).toEqual([200, 3]);
    expect(await typed(server, run, "ls\n", "?writer=a&offset=0")).toEqual([200, 3]);
    expect(await typed(server, run, "pwd\n", "?writer=b&offset=0")).toEqual([200, 4]);
    expect(await typed(server, run, "x", "?writer=a&offset=4")).toEqual([409, 3]);
    expect(await typed(server, run, "x", "?writer=a%20b&offset=0")).toEqual([400, undefined]);
    expect(await json(server.ask(`/runs/${run}`))).toMatchObject({ input: { offset: 7 } });
    expect(await typed(server, run, "", "?writer=a&end")).toEqual([200, 3]);
    expect(await ended(server, run)).toMatchObject({ value: { stdout: "pwls\nd\n" } });
  });

  test("takes requests of one connection in their order, though none waits for an answer", async () => {
    const server = await start();
    const run = await open(server);
    const raw = await server.bytes();
    const words = Array.from({ length: 20 }, (_, index) => "x".repeat(1 + ((index * 997) % 3000)) + `${index}\n`);
    for (const word of words) {
      raw.send(
        `POST /runs/${run}/stdin HTTP/1.1`,
        "Host: localhost",
        `Authorization: Bearer ${tokens.alice}`,
        "Content-Type: application/octet-stream",
        `Content-Length: ${word.length}`,
        "",
        word,
      );
    }
    await until(() => statusesOf(raw.text).length === words.length);
    expect(new Set(statusesOf(raw.text))).toEqual(new Set([200]));
    await typed(server, run, "", "?end");
    expect(await ended(server, run)).toMatchObject({ value: { stdout: words.join("") } });
  });

  test("has each byte once, though several connections repeat what others send, in any order", async () => {
    const server = await start();
    const source = Buffer.from(Array.from({ length: 3_000 }, (_, index) => `${index}\n`).join(""));
    const ranges = fc.array(fc.record({ from: fc.nat(source.length), length: fc.nat(4_000) }), {
      minLength: 10,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(ranges, async (all) => {
        const run = await open(server);
        const send = (from: number, length: number): Promise<[number, unknown]> =>
          typed(server, run, new Uint8Array(source.subarray(from, from + length)), `?offset=${from}`);
        const answers = await Promise.all(all.map(async ({ from, length }) => send(from, length)));
        expect(answers.filter(([status]) => status !== 200 && status !== 409)).toEqual([]);
        let [, offset] = await send(0, 0);
        while (Number(offset) < source.length) [, offset] = await send(Number(offset), 4_000);
        await typed(server, run, "", `?offset=${source.length}&end`);
        expect(await ended(server, run)).toMatchObject({ value: { stdout: String(source) } });
      }),
      { numRuns: 5 },
    );
  });

  test("takes no part of a request whose connection breaks", async () => {
    const server = await start();
    const run = await open(server);
    const raw = await server.bytes();
    raw.send(
      `POST /runs/${run}/stdin HTTP/1.1`,
      "Host: localhost",
      `Authorization: Bearer ${tokens.alice}`,
      "Content-Type: application/octet-stream",
      "Content-Length: 100",
      "",
      "a part",
    );
    // The part comes before the end of the connection does.
    raw.socket.end();
    await raw.closed;
    expect(await typed(server, run, "whole", "?end")).toEqual([200, 5]);
    expect(await ended(server, run)).toMatchObject({ value: { stdout: "whole" } });
  });
});

describe("a command that does not read", () => {
  test("holds back who types: a request waits, is refused, and nothing of it is taken", async () => {
    const server = await start({
      limits: { maxTypedBytes: 1_000, typedInputTimeoutMs: 100, streamWindowBytes: 1_000, maxDataBytes: 1_000 },
    });
    const run = await open(server, "deaf");
    const piece = "x".repeat(1_000);
    let offset = 0;
    let answer: Response;
    // The system's buffers take some of it.
    while ((answer = await type(server, run, piece, `?offset=${offset}`)).status === 200) offset += piece.length;
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
    // What is full is the input of this run, and not the server.
    const title = expect.stringMatching(/^The standard input of the run is full/) as string;
    expect(await json(answer)).toMatchObject({ type: "/docs#status-503", title, code: "busy", run, offset });
    expect(await json(server.ask(`/runs/${run}`))).toMatchObject({ input: { offset } });
    await server.ask(`/runs/${run}`, { method: "DELETE" });
  });

  test("a body that is too large is refused before it is read", async () => {
    const server = await start({ limits: { maxTypedBytes: 10 } });
    const run = await open(server);
    const large = await type(server, run, "x".repeat(11));
    expect([large.status, await json(large)]).toMatchObject([413, { code: "too_large" }]);
    expect(await typed(server, run, "x".repeat(10), "?end")).toEqual([200, 10]);
    expect(await ended(server, run)).toMatchObject({ value: { stdout: "x".repeat(10) } });
  });
});

describe("who may type", () => {
  test("is the owner who has called, and nobody else, whatever they may see", async () => {
    const server = await start();
    const run = await open(server);
    const { token: seeing } = await addToken(server.tokensFile, { owner: "carl", scopes: ["runs:all", "run:*"] });
    for (const token of [tokens.bob, seeing]) {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await type(server, run, "x", "", headers);
      expect([answer.status, await json(answer)]).toMatchObject([404, { code: "run_not_found" }]);
      const size = { method: "PUT", headers: { ...headers, "content-type": "application/json" } };
      const resized = await server.ask(`/runs/${run}/terminal`, { ...size, body: '{"columns":80,"rows":24}' });
      expect(resized.status).toBe(404);
    }
    expect((await type(server, run, "x", "", { authorization: "Bearer wrong" })).status).toBe(401);
  });

  test("needs a token that may run the command now", async () => {
    const server = await start();
    const { token: mine } = await addToken(server.tokensFile, { owner: "eve" });
    const { token: less } = await addToken(server.tokensFile, { owner: "eve", scopes: ["run:add"] });
    const { token: more } = await addToken(server.tokensFile, { owner: "eve", scopes: ["run:copy"] });
    const run = await open(server, "copy", { headers: { authorization: `Bearer ${mine}` } });
    const refused = await type(server, run, "x", "", { authorization: `Bearer ${less}` });
    expect([refused.status, await json(refused)]).toMatchObject([404, { code: "run_not_found" }]);
    expect(await typed(server, run, "y", "", { authorization: `Bearer ${more}` })).toEqual([200, 1]);
  });

  test("is not asked again when the token of somebody else is added", async () => {
    const server = await start({ limits: { tokensFileCheckMs: 0 } });
    const run = await open(server);
    await addToken(server.tokensFile, { owner: "eve" });
    expect(await typed(server, run, "still mine", "?end")).toEqual([200, 10]);
    expect(await ended(server, run)).toMatchObject({ value: { stdout: "still mine" } });
  });

  test("a token that is removed takes its open input with it, and the run ends after the grace", async () => {
    const server = await start({ limits: { tokensFileCheckMs: 0, callerGraceMs: 50 } });
    const { token, record } = await addToken(server.tokensFile, { owner: "eve" });
    const { token: other } = await addToken(server.tokensFile, { owner: "eve" });
    const run = await open(server, "copy", { headers: { authorization: `Bearer ${token}` } });
    await removeToken(server.tokensFile, record.id);
    expect((await type(server, run, "x", "", { authorization: `Bearer ${token}` })).status).toBe(401);
    const headers = { authorization: `Bearer ${other}` };
    // Who waited for the end would hold the run.
    await until(async () => (await json(server.ask(`/runs/${run}`, { headers })))["status"] === "cancelled");
    expect((await type(server, run, "x", "", { authorization: `Bearer ${other}` })).status).toBe(409);
  });
});

describe("a call", () => {
  test.each<[string, string, Record<string, string>, number]>([
    ["whose answer comes at the end", "/commands/copy?stdin=open", {}, 400],
    ["of a command that takes no input", "/commands/none?stdin=open", { prefer: "respond-async" }, 422],
    ["with another word", "/commands/copy?stdin=yes", { prefer: "respond-async" }, 400],
    ["with half a size", "/commands/copy?stdin=open&rows=3", { prefer: "respond-async" }, 400],
    ["with a size that is none", "/commands/copy?stdin=open&rows=3&columns=0", { prefer: "respond-async" }, 400],
    ["with a query that means nothing", "/commands/copy?stdin=open&x=1", { prefer: "respond-async" }, 400],
  ])("%s is refused", async (_, path, headers, status) => {
    const server = await start();
    expect((await server.post(path, {}, headers)).status).toBe(status);
  });

  test("that brings input in its body cannot leave it open too", async () => {
    const server = await start();
    const headers = { ...ofBytes, prefer: "respond-async" };
    const answer = await server.ask("/commands/copy?stdin=open", { method: "POST", body: "x", headers });
    expect(answer.status).toBe(415);
  });

  test("without open input takes none later", async () => {
    const server = await start();
    const { run } = await json(server.post("/commands/deaf", {}, { prefer: "respond-async" }));
    expect((await type(server, String(run), "x")).status).toBe(409);
    await server.ask(`/runs/${String(run)}`, { method: "DELETE" });
    expect((await type(server, String(run), "x")).status).toBe(409);
    expect((await type(server, "01a2243a-f5b7-7f72-9804-e4f7e325b0a9", "x")).status).toBe(404);
  });

  test("with the key of a run that goes on joins it, and the first one's input stays open", async () => {
    const server = await start();
    const headers = { "idempotency-key": "k" };
    const runs = await Promise.all([open(server, "copy", { headers }), open(server, "copy", { headers })]);
    const [run] = runs;
    expect(new Set(runs).size).toBe(1);
    expect(await typed(server, run, "one\n")).toEqual([200, 4]);
    expect(await open(server, "copy", { headers })).toBe(run);
    expect(
      (await server.post("/commands/copy?stdin=open", {}, { ...headers, accept: "text/event-stream" })).status,
    ).toBe(200);
    const other = await server.post("/commands/ask?stdin=open", {}, { ...headers, prefer: "respond-async" });
    expect(other.status).toBe(422);
    expect(await typed(server, run, "two\n", "?offset=4&end")).toEqual([200, 8]);
    expect(await ended(server, run)).toMatchObject({ value: { stdout: "one\ntwo\n" } });
  });
});
