/**
 * Scopes that give a part of the rights, over every door: the same code and the same words. Who may not see a thing gets the
 * answer of who asks for a thing that does not exist. The whole matrix is in matrix.test.ts.
 */
import { describe, expect, test } from "vitest";
import { connect, defineCommand, isIscepError, type Client } from "iscep";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import { later } from "../support/cleanup.js";
import { startHttp, type HttpServer } from "../support/http.js";
import { tokens } from "../support/servers.js";
import { until } from "../support/until.js";

/** What a verb came to: the code and the sentence of its error, or `ok`. */
type Result = "ok" | { readonly code: string; readonly message: string };

interface Caller {
  readonly list: () => Promise<Result>;
  readonly call: (command: string) => Promise<Result>;
  readonly see: (run: string) => Promise<Result>;
  readonly follow: (run: string) => Promise<Result>;
  readonly cancel: (run: string) => Promise<Result>;
}

type Verb = keyof Caller;

interface DoorRow {
  readonly name: string;
  /** Verbs that this door does not have. */
  readonly lacks: readonly Verb[];
  open(server: HttpServer, token: string | undefined): Promise<Caller>;
}

async function resultOf(verb: () => Promise<unknown>): Promise<Result> {
  try {
    await verb();
    return "ok";
  } catch (error) {
    if (!isIscepError(error)) throw error;
    return { code: error.code, message: error.message };
  }
}

function clientCaller(client: Client): Caller {
  return {
    list: () => resultOf(() => client.list()),
    call: (command) => resultOf(() => client.call(command)),
    see: (run) => resultOf(() => client.runs({ run })),
    follow: (run) =>
      resultOf(async () => {
        const { outcome, id } = client.attach(run);
        await Promise.race([id, outcome.then((ended) => ("error" in ended ? Promise.reject(ended.error) : ended))]);
      }),
    cancel: (run) => resultOf(() => client.cancel(run)),
  };
}

function overTheWire(protocol: 1 | 2): DoorRow["open"] {
  return async (server, token) => {
    // Version 2 refuses a wrong token when it connects, and version 1 at each request.
    const open = connect(server.url, { protocol, ...(token === undefined ? {} : { token }) });
    const failed = await resultOf(() => open);
    if (failed !== "ok") {
      const same = async (): Promise<Result> => failed;
      return { list: same, call: same, see: same, follow: same, cancel: same };
    }
    const client = await open;
    later(() => client.close());
    return clientCaller(client);
  };
}

async function httpResult(response: Promise<Response>): Promise<Result> {
  const answer = await response;
  if (answer.ok) {
    await answer.body?.cancel();
    return "ok";
  }
  const { code, detail } = (await answer.json()) as { code: string; detail: string };
  return { code, message: detail };
}

const doors: readonly DoorRow[] = [
  { name: "version 1", lacks: ["see", "follow", "cancel"], open: overTheWire(1) },
  { name: "version 2", lacks: [], open: overTheWire(2) },
  {
    name: "in process",
    lacks: [],
    open: async (server, token) => {
      const client = server.server.client({ source: "127.0.0.1", token: token ?? null });
      later(() => client.close());
      return clientCaller(client);
    },
  },
  {
    name: "HTTP",
    lacks: [],
    open: async (server, token) => {
      const ask = (path: string, method = "GET"): Promise<Result> =>
        httpResult(
          fetch(server.origin + path, {
            method,
            headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
          }),
        );
      return {
        list: () => ask("/commands"),
        call: (command) => ask(`/commands/${command}`, "POST"),
        see: (run) => ask(`/runs/${run}`),
        follow: (run) => ask(`/runs/${run}/events`),
        cancel: (run) => ask(`/runs/${run}`, "DELETE"),
      };
    },
  },
];

const held = defineCommand({
  name: "held",
  run: (_, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
});
const quick = defineCommand({ name: "quick", run: () => 1 });
const hidden = defineCommand({ name: "hidden", run: () => 1 });

interface Scene {
  readonly server: HttpServer;
  /** A run of alice that is under way. */
  readonly run: string;
}

async function start(): Promise<Scene> {
  const server = await startHttp({ commands: [held, quick, hidden], limits: { tokensFileCheckMs: 0 } });
  const alice = await server.client();
  const run = await alice.run("held", {}, { detach: true }).id;
  return { server, run };
}

const unauthorized = {
  code: "unauthorized",
  message: "The server did not accept the token, or none was given; give a valid token.",
};
const noCommand = {
  code: "command_not_found",
  message: "There is no such command, or this token may not run it; `iscep ls` lists the commands that it may run.",
};
const noRun = {
  code: "run_not_found",
  message:
    "There is no such run any more, or it belongs to another owner; `iscep runs` lists the runs that you may see.",
};

type Expected = Readonly<Record<Verb, Result>>;
const everything: Expected = { list: "ok", call: "ok", see: "ok", follow: "ok", cancel: "ok" };
const noRuns = { see: noRun, follow: noRun, cancel: noRun };

/** Who calls, how they come to their token, and what they get for `quick` and for the run of alice. */
const identities: readonly [string, (scene: Scene) => Promise<string | undefined>, Expected][] = [
  [
    "a token that may not list",
    async ({ server }) => (await addToken(server.tokensFile, { owner: "dora", scopes: ["run:quick"] })).token,
    {
      list: { code: "unauthorized", message: "this token may run commands, and not list them" },
      call: "ok",
      ...noRuns,
    },
  ],
  [
    "another owner who may see runs, and run nothing",
    async ({ server }) =>
      (await addToken(server.tokensFile, { owner: "olga", scopes: ["discover", "runs:all"] })).token,
    { ...everything, call: noCommand },
  ],
  ["the right token", async () => tokens.alice, everything],
];

/** The packet with which version 1 refuses a token has no words, so its clients have the general ones. */
function wordsOf(door: string, expected: Result): Result {
  return door === "version 1" && expected !== "ok" && expected.code === "unauthorized" ? unauthorized : expected;
}

describe.each(doors)("$name", ({ name, lacks, open }) => {
  test.each(identities)("%s", async (_, tokenOf, expected) => {
    const scene = await start();
    const caller = await open(scene.server, await tokenOf(scene));
    const verbs: [Verb, () => Promise<Result>][] = [
      ["list", () => caller.list()],
      ["call", () => caller.call("quick")],
      ["see", () => caller.see(scene.run)],
      ["follow", () => caller.follow(scene.run)],
      ["cancel", () => caller.cancel(scene.run)],
    ];
    const got: [Verb, Result][] = [];
    for (const [verb, ask] of verbs) if (!lacks.includes(verb)) got.push([verb, await ask()]);
    expect(got).toEqual(got.map(([verb]) => [verb, wordsOf(name, expected[verb])]));
  });

  // GHSA-jf73-858c-54pg, CVE-2026-48709: what one may not see must look like what is not there.
  test("what is forbidden looks like what does not exist", async () => {
    const { server, run } = await start();
    const { token } = await addToken(server.tokensFile, { owner: "carl", scopes: ["discover", "run:quick"] });
    const caller = await open(server, token);
    expect(await caller.call("hidden")).toEqual(await caller.call("nothing"));
    const stranger = run.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    for (const verb of ["see", "follow", "cancel"] as const) {
      if (!lacks.includes(verb)) expect([verb, await caller[verb](run)]).toEqual([verb, await caller[verb](stranger)]);
    }
  });

  // GHSA-gq2m-77hf-vwgh: a session went on after its token was gone.
  test("a token that is removed during a run is refused from then on, and its run ends", async () => {
    const { server } = await start();
    const { token, record } = await addToken(server.tokensFile, { owner: "eve" });
    const caller = await open(server, token);
    expect(await caller.list()).toBe("ok");
    const running = caller.call("held");
    const operator = server.server.client({
      source: "test",
      token: (await addToken(server.tokensFile, { owner: "olga", scopes: ["runs:all"] })).token,
    });
    later(() => operator.close());
    const runsOfEve = async () => (await operator.runs({ all: true, owner: "eve" })).runs;
    await until(async () => (await runsOfEve()).length === 1);
    await removeToken(server.tokensFile, record.id);
    // A connection of version 1 answers one request after the other.
    const other = name === "version 1" ? await open(server, token) : caller;
    const refused = await other.list();
    expect(refused).toMatchObject({ code: "unauthorized" });
    if (lacks.length > 0) return;
    expect(await running).not.toBe("ok");
  });
});
