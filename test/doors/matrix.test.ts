/**
 * Every verb by every kind of caller through every door: the same code, and the same words. One verb that forgets the check is
 * how others let strangers end runs, read output and start what they might not (GHSA-4fqm-6fmh-82mq, GHSA-p443-p7w5-2f7f,
 * CVE-2026-32102, CVE-2026-67439, GHSA-jf73-858c-54pg, CVE-2026-48709).
 */
import { describe, expect, test } from "vitest";
import { defineCommand } from "iscep";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import { watchForLeaks } from "../support/leaks.js";
import { gate } from "../support/commands.js";
import {
  everyDoor,
  everyVerb,
  startDoors,
  type Answer,
  type DoorServer,
  type Verbs,
  type WayIn,
} from "../support/every-door.js";
import { until } from "../support/until.js";

watchForLeaks();

const greet = defineCommand({
  name: "greet",
  run: async (_, { output }) => {
    await output.write("stdout", "hello\n");
    return "hi";
  },
});
const other = defineCommand({ name: "other", run: () => "other" });

interface Stage {
  readonly server: DoorServer;
  /** A run that ada has called, and that is over. */
  readonly run: string;
  readonly tokens: Readonly<Record<"ada" | "bob" | "narrow" | "expired" | "removed", string>>;
  readonly slow: ReturnType<typeof gate>;
}

async function stage(ways: readonly WayIn[]): Promise<Stage> {
  const slow = gate("slow");
  const server = await startDoors(ways, {
    commands: [greet, other, slow.command],
    tokens: {},
    limits: { maxFailedTokensPerConnection: 1_000, penaltyMs: 0, callerGraceMs: 1 },
  });
  const make = async (owner: string, options: object = {}): Promise<string> =>
    (await addToken(server.tokensFile, { owner, ...options })).token;
  const tokens = {
    ada: await make("ada"),
    bob: await make("bob"),
    narrow: await make("narrow", { scopes: ["discover", "run:other"] }),
    expired: await make("gone", { expiresInMs: 1_000 }),
    removed: await make("removed"),
  };
  await removeToken(server.tokensFile, "removed");
  const ada = await server.client({ token: tokens.ada });
  const handle = ada.run("greet", {});
  const run = await handle.id;
  await handle.outcome;
  return { server, run, tokens, slow };
}

async function ask(verbs: Verbs, verb: (typeof everyVerb)[number], run: string): Promise<Answer> {
  if (verb === "call") return verbs.call("greet");
  return verb === "list" || verb === "runs" ? verbs[verb]() : verbs[verb](run);
}

const refused = Object.fromEntries(everyVerb.map((verb) => [verb, "unauthorized"]));
const fine = Object.fromEntries(everyVerb.map((verb) => [verb, "ok"]));
const notTheirs = { follow: "run_not_found", output: "run_not_found", look: "run_not_found", cancel: "run_not_found" };

const callers: readonly (readonly [
  string,
  (stage: Stage) => string | null | Promise<string>,
  Readonly<Record<string, string>>,
])[] = [
  ["nobody", () => null, refused],
  ["a token that was removed", ({ tokens }) => tokens.removed, refused],
  ["an expired token", ({ tokens, server }) => expired(server, tokens.expired), refused],
  ["a token without the scope", ({ tokens }) => tokens.narrow, { ...fine, ...notTheirs, call: "command_not_found" }],
  ["another owner", ({ tokens }) => tokens.bob, { ...fine, ...notTheirs }],
  ["the owner", ({ tokens }) => tokens.ada, fine],
];

async function expired({ server }: DoorServer, token: string): Promise<string> {
  const client = server.client({ source: "127.0.0.1", token });
  await until(() =>
    client.list().then(
      () => false,
      () => true,
    ),
  );
  await client.close();
  return token;
}

describe.each(callers)("%s", (_, tokenOf, expected) => {
  test("gets the same answers through every door, to every verb", async () => {
    const scene = await stage(Object.values(everyDoor));
    const token = await tokenOf(scene);
    const found: Record<string, Record<string, Answer>> = {};
    for (const [door, way] of Object.entries(everyDoor)) {
      const verbs = await way.verbs(scene.server, token);
      for (const verb of way.has ?? everyVerb) (found[verb] ??= {})[door] = await ask(verbs, verb, scene.run);
    }
    for (const verb of everyVerb) {
      const answers = found[verb] ?? {};
      const codes = Object.fromEntries(Object.entries(answers).map(([door, { code }]) => [door, code]));
      expect({ verb, codes }).toEqual({
        verb,
        codes: Object.fromEntries(Object.keys(codes).map((door) => [door, expected[verb]])),
      });
      const words = new Set(Object.values(answers).map((answer) => answer.words));
      expect({ verb, words: [...words] }).toEqual({ verb, words: [expect.any(String)] });
    }
  });
});

test.each(Object.entries(everyDoor))(
  "a token that is removed during a run counts no more, through %s",
  async (_, way) => {
    const { server, tokens, slow, run } = await stage([way]);
    const verbs = await way.verbs(server, tokens.bob);
    const waiting = verbs.call("slow");
    await slow.started(1);
    await removeToken(server.tokensFile, "bob");
    if (way.outlivesToken === true) slow.open();
    // When a token is removed, nobody is told how its runs end.
    const lost = {
      code: "lost",
      words: expect.stringMatching(
        /the token of this session is no longer valid; how the run ended is not known$/,
      ) as string,
    };
    expect(await waiting).toEqual(way.outlivesToken === true ? { code: "ok", words: "" } : lost);
    if (way.outlivesToken !== true) await until(() => slow.state.aborted === 1);
    for (const verb of way.has ?? everyVerb)
      expect(await ask(verbs, verb, run)).toMatchObject({ code: "unauthorized" });
  },
);

test.each(Object.entries(everyDoor))(
  "a call under way goes on when tokens of others come and go, through %s",
  async (_, way) => {
    const { server, tokens, slow } = await stage([way]);
    // The token is used through this door only.
    const { token } = await addToken(server.tokensFile, { owner: "eve" });
    const [eve, bob] = [await way.verbs(server, token), await way.verbs(server, tokens.bob)];
    await until(async () => (await eve.call("greet")).code === "ok");
    const waiting = [eve.call("slow"), bob.call("slow")];
    await slow.started(2);
    await addToken(server.tokensFile, { owner: "new" });
    await removeToken(server.tokensFile, "bob");
    // That the call of bob ends shows that the door has looked.
    if (way.outlivesToken !== true) expect((await waiting[1])?.code).toBe("lost");
    slow.open();
    expect(await waiting[0]).toEqual({ code: "ok", words: "" });
    expect((await eve.call("greet")).code).toBe("ok");
  },
);
