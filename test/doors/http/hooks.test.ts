/** Webhooks: who is believed, what runs, and what a stranger learns. */
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { declareArguments, defineCommand } from "iscep";
import { httpDoor, type HookDefinition } from "iscep/http";
import { describe, expect, test } from "vitest";
import { compileHook, hookFault } from "#iscep/hooks/definition";
import { reservedOwnerProblem } from "#iscep/model/identity";
import { githubPush, standardVector, type RecordedDelivery } from "../../support/deliveries.js";
import { errorOf } from "../../support/error-of.js";
import { startHttp, type HttpServer } from "../../support/http.js";
import { watchForLeaks } from "../../support/leaks.js";
import { tokens } from "../../support/servers.js";
import { until } from "../../support/until.js";
import { secretFile, github } from "../../support/hook-deliveries.js";

watchForLeaks();

interface Deployed {
  readonly commit: string;
}

async function deploying(hooks: Record<string, HookDefinition>): Promise<{ server: HttpServer; deployed: Deployed[] }> {
  const deployed: Deployed[] = [];
  const deploy = defineCommand({
    name: "deploy",
    args: declareArguments({ commit: { type: "string", pattern: "[0-9a-f]{40}" } }),
    run: (args, { identity }) => {
      deployed.push(args);
      return identity.owner;
    },
  });
  const other = defineCommand({ name: "other", run: () => 1 });
  return { server: await startHttp({ commands: [deploy, other], http: { hooks } }), deployed };
}

function deliver(
  { origin }: { origin: string },
  name: string,
  { headers, body }: RecordedDelivery,
  changed = {},
): Promise<Response> {
  return fetch(`${origin}/hooks/${name}`, { method: "POST", headers: { ...headers, ...changed }, body });
}

describe("POST /hooks/NAME", () => {
  test("answers 202 with the run, which belongs to the hook, and once for a delivery that comes again", async () => {
    const { server, deployed } = await deploying({ github: github() });
    const answers = [await deliver(server, "github", githubPush), await deliver(server, "github", githubPush)];
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    const [first, second] = (await Promise.all(answers.map((answer) => answer.json()))) as { run: string }[];
    expect(second).toEqual(first);
    await until(() => deployed.length > 0);
    expect(deployed).toEqual([{ commit: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c" }]);
    const log = await server.logged();
    expect(log).toContain('"owner":"hook:github"');
    expect(log).not.toContain(githubPush.secret);
    expect(reservedOwnerProblem("hook:github")).toContain("webhooks");
  });

  test("takes a message of Standard Webhooks that is new, and a plain HMAC, and an old message not", async () => {
    const digestOf = (secret: string | Buffer, text: string): string =>
      createHmac("sha256", secret).update(text).digest("base64");
    const args = { commit: { from: "/after" } };
    const { server, deployed } = await deploying({
      standard: { command: "deploy", kind: "standard", secret: secretFile(standardVector.secret), args },
      plain: { command: "deploy", kind: "hmac", secret: secretFile("0123456789abcdef"), idHeader: "X-Id", args },
    });
    const key = Buffer.from(standardVector.secret.slice("whsec_".length), "base64");
    const { body } = githubPush;
    const standardAt = (seconds: number, id: string): RecordedDelivery => ({
      secret: "",
      headers: {
        "webhook-id": id,
        "webhook-timestamp": String(seconds),
        "webhook-signature": `v1,${digestOf(key, `${id}.${seconds}.${body}`)}`,
      },
      body,
    });
    const nowSeconds = Math.floor(Date.now() / 1_000);
    const plain = { secret: "", headers: { "x-signature-256": digestOf("0123456789abcdef", body), "x-id": "1" }, body };
    const statuses = [
      await deliver(server, "standard", standardAt(nowSeconds, "msg_1")),
      await deliver(server, "standard", standardAt(nowSeconds, "msg_1")),
      await deliver(server, "standard", standardAt(nowSeconds - 600, "msg_2")),
      await deliver(server, "plain", plain),
      await deliver(server, "plain", plain),
    ].map(({ status }) => status);
    expect(statuses).toEqual([202, 202, 401, 202, 202]);
    await until(() => deployed.length === 2);
  });

  test("tells a stranger the same of a wrong signature, a missing one, and a hook that there is not", async () => {
    const { server, deployed } = await deploying({ github: github() });
    const { "x-hub-signature-256": _, ...unsigned } = githubPush.headers;
    const answers = await Promise.all([
      deliver(server, "github", githubPush, { "x-hub-signature-256": `sha256=${"0".repeat(64)}` }),
      deliver(server, "github", { ...githubPush, headers: unsigned }),
      deliver(server, "github", { ...githubPush, body: `${githubPush.body} ` }),
      deliver(server, "nothing", githubPush),
      deliver(server, "__proto__", githubPush),
    ]);
    const told = await Promise.all(
      answers.map(async (answer) => [answer.status, answer.headers.get("content-type"), await answer.text()]),
    );
    expect(new Set(told.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(told[0]?.slice(0, 2)).toEqual([401, "application/problem+json"]);
    expect(deployed).toEqual([]);
    // The operator is told which it was. Of many in a second, one line is enough.
    expect(await server.logged()).toMatch(/webhook .*(?:github.*no good signature|there is no such hook)/);
  });

  test("tells a stranger nothing of a secret that cannot be read any more", async () => {
    const secret = secretFile(githubPush.secret);
    const { server } = await deploying({ github: github(secret) });
    writeFileSync(secret, "short", { mode: 0o600 });
    const answer = await deliver(server, "github", githubPush);
    expect(answer.status).toBe(401);
    expect(await answer.text()).not.toContain(secret);
    expect(await server.logged()).toContain("fewer than 16 characters");
  });

  // CVE-2026-27626: webhook JSON reached a shell without the checks of the other ways in.
  test.each([
    ["a command of a shell", "$(reboot)"],
    ["an option", "--upload-pack=evil"],
    ["another type", 7],
    ["a list", ["a"]],
    ["nothing", null],
  ])("checks arguments as every other door does (CVE-2026-27626): %s", async (_, after) => {
    const { server, deployed } = await deploying({ github: github() });
    const body = JSON.stringify({ ref: "refs/heads/main", after });
    const signature = `sha256=${createHmac("sha256", githubPush.secret).update(body).digest("hex")}`;
    const answer = await deliver(
      server,
      "github",
      { ...githubPush, body },
      { "x-hub-signature-256": signature, "x-github-delivery": "1" },
    );
    expect(answer.status).toBe(422);
    const byHttp = await server.post("/commands/deploy", after === null ? {} : { commit: after });
    const detailOf = async (one: Response): Promise<unknown> => ((await one.json()) as { detail: unknown }).detail;
    expect(await detailOf(answer)).toBe(await detailOf(byHttp));
    expect(deployed).toEqual([]);
  });

  test("ignores what the filter does not fit, and refuses the same delivery with other arguments", async () => {
    const { server, deployed } = await deploying({ github: { ...github(), when: { "/ref": "refs/heads/other" } } });
    const answer = await deliver(server, "github", githubPush);
    expect([answer.status, await answer.json()]).toEqual([200, { status: "ignored" }]);
    expect(deployed).toEqual([]);
    const again = await deploying({ github: github() });
    expect((await deliver(again.server, "github", githubPush)).status).toBe(202);
    const body = githubPush.body.replace("0d1a26e6", "ffffffff");
    const signature = `sha256=${createHmac("sha256", githubPush.secret).update(body).digest("hex")}`;
    const other = await deliver(again.server, "github", { ...githubPush, body }, { "x-hub-signature-256": signature });
    expect(other.status).toBe(422);
  });

  test("lets in nobody by GET, and gives no other right", async () => {
    const { server } = await deploying({ github: github() });
    expect((await fetch(`${server.origin}/hooks/github`, { headers: githubPush.headers })).status).toBe(405);
    const { status } = await fetch(`${server.origin}/commands/other`, {
      method: "POST",
      headers: { ...githubPush.headers, "content-type": "application/json" },
      body: githubPush.body,
    });
    expect(status).toBe(401);
  });

  test("takes a body of what a stranger may send, and no more", async () => {
    const { server } = await deploying({ open: { command: "other", kind: "unsigned" } });
    const small = await deliver(server, "open", { secret: "", headers: {}, body: "x".repeat(100_000) });
    expect(small.status).toBe(202);
    const large = deliver(server, "open", { secret: "", headers: {}, body: "x".repeat(300_000) });
    expect(
      await large.then(
        ({ status }) => status,
        () => "cut",
      ),
    ).toSatisfy((status) => status === 413 || status === "cut");
  });

  test("counts wrong signatures as wrong tokens", async () => {
    const { server } = await deploying({ github: github() });
    const wrong = { "x-hub-signature-256": `sha256=${"0".repeat(64)}` };
    for (let count = 0; count < 3; count++) await deliver(server, "github", githubPush, wrong);
    expect(server.server.metrics()).toContain("iscep_failed_tokens_total 3");
    expect((await deliver(server, "github", githubPush)).status).toBe(202);
  });
});

describe("a definition of a hook", () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    ["no secret", { kind: "github" }, /needs `secret`/],
    ["a secret for nobody", { kind: "unsigned", secret: "/x" }, /checks no secret/],
    ["another kind", { kind: "gitlab" }, /must be one of github, standard, hmac, unsigned/],
    ["a pointer that is none", { kind: "unsigned", args: { a: { from: "/a~2" } } }, /no JSON pointer/],
    ["a source that is none", { kind: "unsigned", args: { a: { from: "a b" } } }, /neither a JSON pointer/],
    ["a map as a value", { kind: "unsigned", args: { a: { form: "/a" } } }, /fixed value/],
    ["a header that this kind has not", { kind: "standard", secret: "/x", signatureHeader: "X" }, /belongs to `hmac`/],
    [
      "a secret that is no base64",
      { kind: "standard", secret: secretFile("whsec_!!!!!!!!!!!!!!!!") },
      /base64 of at least 16/,
    ],
    ["an unknown option", { kind: "unsigned", filter: {} }, /no option "filter"/],
  ])("is refused: %s", async (_, definition, message) => {
    const error = await errorOf(() =>
      httpDoor({ hooks: { x: { command: "x", ...definition } as unknown as HookDefinition } }),
    );
    expect(error.message).toMatch(message);
  });

  test("is held against its command", () => {
    const command = defineCommand({
      name: "deploy",
      args: declareArguments({ commit: { type: "string" } }),
      run: () => 1,
    });
    const fault = (definition: Partial<HookDefinition>): string | undefined =>
      hookFault(compileHook("x", { command: "deploy", kind: "unsigned", ...definition }), [command]);
    expect(fault({ args: { commit: "a" } })).toBeUndefined();
    expect(fault({ command: "deplov" })).toMatch(/does not exist.*did you mean.*deploy/i);
    expect(fault({ args: { comit: "a" } })).toMatch(/which command "deploy" has not.*commit/);
    expect(fault({})).toMatch(/gives no argument "commit"/);
  });
});

test("no token is asked for, and none is told", async () => {
  const { server } = await deploying({ github: github() });
  const answer = await deliver(server, "github", githubPush, { authorization: `Bearer ${tokens.alice}` });
  expect(answer.status).toBe(202);
});
