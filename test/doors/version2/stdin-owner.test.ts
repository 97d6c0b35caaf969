import { describe, expect, test } from "vitest";
import { defineScript } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import { later } from "../../support/cleanup.js";
import { AnswerError, Peer } from "../../support/conformance/peer.mjs";
import { startServer } from "../../support/servers.js";
import { until } from "../../support/until.js";

const lines = defineScript({
  name: "lines",
  stdin: true,
  args: { kind: { type: "string", default: "plain" } },
  run: ["/bin/sh", "-c", 'while read -r line; do echo "ran: $line"; done', "{kind}"],
});

async function start(mine: readonly string[], more: object = {}) {
  const server = await startServer({ commands: [lines] });
  const peer = async (owner: string, scopes: readonly string[]): Promise<Peer> => {
    const { token } = await addToken(server.tokensFile, { owner, scopes: [...scopes] });
    const connected = await Peer.connect({ port: server.port, tls: false, token });
    later(() => connected.end());
    return connected;
  };
  const first = await peer("eve", mine);
  const call = first.follow("call", { command: "lines", args: {}, output: 0, stdin: true, ...more });
  return { peer, first, call, run: await call.started };
}

describe("attach with stdin", () => {
  test.each<[string, string, string[]]>([
    ["another owner who may see the run", "carl", ["discover", "runs:all"]],
    ["another owner who may see the run and call the command", "carl", ["runs:all", "run:*"]],
    ["a token of the owner that may only see the run", "eve", ["runs:lines"]],
    ["a token of the owner that may call with other arguments only", "eve", ["run:lines(kind=other)"]],
  ])("is refused for %s, and the caller goes on typing", async (_, owner, scopes) => {
    const { peer, call, run } = await start(["run:*"]);
    const other = await peer(owner, scopes);
    const refused = await other.follow("attach", { run, offset: 0, stdin: true }).answer.then(
      () => undefined,
      (error: unknown) => (error instanceof AnswerError ? error.data : error),
    );
    expect(refused).toMatchObject({ code: "run_not_found", status: "rejected" });
    // They may still see it.
    const seen = other.follow("attach", { run, offset: 0 });
    expect(await seen.started).toBe(run);
    await call.sendInput(Buffer.from("mine\n"));
    expect(await call.answer).toMatchObject({ value: { stdout: "ran: mine\n" } });
  });

  test("goes on for another token of the owner that may call the command", async () => {
    const { peer, run } = await start(["run:lines(kind=plain)"]);
    const again = (await peer("eve", ["run:lines"])).follow("attach", { run, offset: 0, stdin: true });
    expect(await again.started).toBe(run);
    await again.sendInput(Buffer.from("more\n"));
    expect(await again.answer).toMatchObject({ value: { stdout: "ran: more\n" } });
  });

  test("is told to the one that sent before, and only to that one", async () => {
    const { peer, first, call, run } = await start(["run:*"]);
    const taken = (of: Peer): unknown[] => of.notifications.filter(({ method }) => method === "stdin_taken");
    const second = await peer("eve", ["run:*"]);
    const again = second.follow("attach", { run, stdin: true });
    await again.started;
    await until(() => taken(first).length > 0, "nobody says it");
    const third = await peer("eve", ["run:*"]);
    const last = third.follow("attach", { run, stdin: true });
    await last.sendInput(Buffer.from("mine\n"));
    expect(await last.answer).toMatchObject({ value: { stdout: "ran: mine\n" } });
    await Promise.all([call.answer, again.answer]);
    expect([first, second, third].map(taken)).toMatchObject([
      [{ params: { call: call.id } }],
      [{ params: { call: again.id } }],
      [],
    ]);
  });
});

test("a repeated call takes over the input only with a token that may type into the run", async () => {
  const { peer, call, run } = await start(["run:*"], { idempotencyKey: "k" });
  const again = { command: "lines", args: {}, stdin: true, idempotencyKey: "k" };
  const other = (await peer("eve", ["run:lines(kind=other)"])).follow("call", again);
  await expect(other.answer).rejects.toMatchObject({ data: { code: "invalid_arguments", status: "rejected" } });
  await call.sendInput(Buffer.from("mine\n"), { end: false });
  const mine = (await peer("eve", ["run:lines"])).follow("call", again);
  expect(await mine.started).toBe(run);
  await mine.sendInput(Buffer.from("mine\nmore\n"));
  expect(await mine.answer).toMatchObject({ value: { stdout: "ran: mine\nran: more\n" } });
});
