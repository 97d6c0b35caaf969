/** PITFALLS B10: one verb that forgets to ask who is calling is enough. So each verb is tried by each kind of stranger. */
import path from "node:path";
import { describe, expect, test } from "vitest";
import { connect, Server, type Client } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { gate } from "../../support/commands.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { errorOf } from "../../support/error-of.js";

watchForLeaks();

const never = "01900000-0000-7000-8000-000000000000";

/** Another owner, the same owner with a token that may run other commands only, and a caller without a token. */
const strangers = ["another owner", "another scope", "no token"] as const;

async function start() {
  const tokensFile = path.join(temporaryFolder(), "tokens.json");
  const { command, state, open } = gate();
  const server = new Server({ commands: [command], port: 0, tls: false, tokens: tokensFile });
  const tokenOf = async (owner: string, scopes: readonly string[]) =>
    (await addToken(tokensFile, { owner, scopes })).token;
  const callers: Record<(typeof strangers)[number], string | undefined> = {
    "another owner": await tokenOf("bob", ["discover", "run:other"]),
    "another scope": await tokenOf("alice", ["discover", "run:other"]),
    "no token": undefined,
  };
  const alice = await tokenOf("alice", ["discover", "run:*"]);
  later(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const client = async (token: string | undefined): Promise<Client> => {
    const connected = await connect(url, { protocol: 2, ...(token === undefined ? {} : { token }) });
    later(() => connected.close());
    return connected;
  };
  const run = (await client(alice)).run("gate", {});
  return {
    run,
    id: await run.id,
    state,
    open,
    stranger: async (who: (typeof strangers)[number]) => client(callers[who]),
  };
}

type Attempt = (client: Client, run: string, command: string) => Promise<unknown>;

const attempts: Readonly<Record<string, Attempt>> = {
  call: (client, _run, command) => client.call(command, {}),
  run: (client, _run, command) => client.run(command, {}).value,
  "run detached": (client, _run, command) => client.run(command, {}, { detach: true }).value,
  "run with a key": (client, _run, command) => client.run(command, {}, { idempotencyKey: "k" }).value,
  attach: (client, run) => client.attach(run).value,
  "attach at an offset": (client, run) => client.attach(run, { offset: 1 }).value,
  cancel: (client, run) => client.cancel(run),
  "runs of one": (client, run) => client.runs({ run }),
};

describe.each(strangers)("%s", (who) => {
  test.each(Object.entries(attempts))(
    "%s of a run or command that is not his is like one that never was",
    async (_verb, attempt) => {
      const { run, id, state, open, stranger } = await start();
      const client = await stranger(who);
      const foreign = (await errorOf(attempt(client, id, "gate"))).toJSON();
      const unknown = (await errorOf(attempt(client, never, "nothing"))).toJSON();
      expect(foreign).toEqual(unknown);
      expect(["unauthorized", "command_not_found", "run_not_found"]).toContain(foreign.code);
      expect(state.aborted).toBe(0);
      open();
      expect(await run.value).toBe("through");
    },
  );

  test("lists show nothing of it", async () => {
    const { run, open, stranger } = await start();
    const client = await stranger(who);
    if (who === "no token") {
      expect(await errorOf(client.list())).toMatchObject({ code: "unauthorized" });
      expect(await errorOf(client.runs())).toMatchObject({ code: "unauthorized" });
    } else {
      expect(await client.list()).toEqual([]);
      expect(await client.runs()).toEqual({ runs: [] });
    }
    open();
    expect(await run.value).toBe("through");
  });
});
