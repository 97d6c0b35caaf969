/** A token that was good is no guess, and one that was removed has nothing more. */
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { defaultLimits } from "iscep";
import { describe, expect, test } from "vitest";
import { addToken, listTokens, removeToken } from "#iscep/identity/tokens-writer";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { startHttp, statusesOf } from "../../support/http.js";
import { knows } from "../../support/nats-service.js";
import { tokens } from "../../support/servers.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

test("wrong tokens of others at the same address stop nobody whose token this connection knows", async () => {
  // The defaults in minutes, so that nothing is forgiven meanwhile.
  const limits = { penaltyMs: 60_000, penaltyStartMs: 180_000 };
  const server = await startHttp({ exemptLocalSources: false, limits });
  const raw = await server.bytes();
  const inProcess = server.server.client({ token: tokens.alice, source: "127.0.0.1" });
  later(() => inProcess.close());
  let answers = 0;
  const ask = async (...headers: readonly string[]): Promise<void> => {
    raw.send("POST /commands/noargs HTTP/1.1", "Host: localhost", `Authorization: Bearer ${tokens.alice}`, ...headers);
    raw.send("", "Content-Type: application/json", "Content-Length: 2", "", "{}");
    await raw.until(new RegExp(`(?:(?:"status":"completed"|"code":")[^]*){${++answers}}`));
  };
  await ask();
  expect(await inProcess.call("noargs")).toBe("ok");
  const other = await server.bytes();
  for (let sent = 1; sent <= 6; sent++) {
    other.send("GET /commands HTTP/1.1", "Host: localhost", "Authorization: Bearer wrong", "", "");
    await other.until(new RegExp(`(?:"code":"[^]*){${sent}}`));
  }
  expect(statusesOf(other.text).at(-1)).toBe(503);
  for (let sent = 0; sent < 4; sent++) {
    for (const headers of [[], ["Prefer: handling=lenient"], ["Accept: text/event-stream"]]) await ask(...headers);
  }
  expect(statusesOf(raw.text)).toEqual(Array.from({ length: 13 }, () => 200));
  expect(await inProcess.call("noargs")).toBe("ok");
  // Another token on this connection is a guess, and waits.
  raw.send("GET /commands HTTP/1.1", "Host: localhost", "Authorization: Bearer other", "", "");
  expect(statusesOf(await raw.until(/ 503 /)).at(-1)).toBe(503);
});

describe("a run whose token is removed is lost", () => {
  test.each([0, 1, 2, 3, 4])("also when the token is shown %i times before that is seen", async (times) => {
    const slow = gate();
    const server = await startHttp({ commands: [...originalTasks, slow.command] });
    const { token } = await addToken(server.tokensFile, { owner: "ada" });
    await knows(server.server, token);
    const client = server.server.client({ token, source: "127.0.0.1" });
    later(() => client.close());
    const run = client.run("gate", {});
    await slow.started(1);
    await removeToken(server.tokensFile, listTokens(server.tokensFile).find(({ owner }) => owner === "ada")?.id ?? "");
    // These are in the same turn, so the sweep comes behind them.
    const asked = Array.from({ length: times }, async () => (await errorOf(client.whoAmI())).code);
    expect((await run.outcome).status).toBe("lost");
    expect(new Set(await Promise.all(asked))).toEqual(new Set(times === 0 ? [] : ["unauthorized"]));
  });
});

test("who has signed a delivery is no stranger, also when the delivery runs nothing, and its body may be as long as said", async () => {
  const secret = path.join(temporaryFolder(), "secret");
  writeFileSync(secret, "a secret that is long enough", { mode: 0o600 });
  const when = { "/ref": "main" };
  const server = await startHttp({ http: { hooks: { it: { command: "noargs", kind: "github", secret, when } } } });
  const raw = await server.bytes();
  const deliver = (ref: string, bytes: number): void => {
    const start = `{"ref":"${ref}","pad":"`;
    const body = `${start}${"x".repeat(bytes - start.length - 2)}"}`;
    const signature = createHmac("sha256", "a secret that is long enough").update(body).digest("hex");
    raw.send("POST /hooks/it HTTP/1.1", "Host: localhost", "X-GitHub-Event: push", "Content-Type: application/json");
    raw.send("", `X-Hub-Signature-256: sha256=${signature}`, `Content-Length: ${bytes}`, "", body);
  };
  // The first is as large as all that a stranger may send.
  deliver("other", defaultLimits.maxUnauthenticatedBytes);
  await raw.until(/ignored/);
  for (let count = 2; count <= 4; count++) {
    deliver("other", 100_000);
    await raw.until(new RegExp(`(?:ignored[^]*){${count}}`));
  }
  deliver("main", 100_000);
  expect(await raw.until(/"status":"running"/)).not.toContain("unauthorized");
});

test("who has signed nothing stays a stranger: each delivery has a connection of its own", async () => {
  const server = await startHttp({ http: { hooks: { open: { command: "noargs", kind: "unsigned" } } } });
  const raw = await server.bytes();
  const delivery = ["POST /hooks/open HTTP/1.1", "Host: localhost", "Content-Type: application/json"];
  raw.send(...delivery, "Content-Length: 2", "", "{}");
  const answer = await raw.rest();
  expect(statusesOf(answer)).toEqual([202]);
  expect(answer.toLowerCase()).toContain("connection: close");
  // Who has shown a good token before is none.
  const known = await server.bytes();
  known.send("GET /commands HTTP/1.1", "Host: localhost", `Authorization: Bearer ${tokens.alice}`, "", "");
  await known.until(/"commands"/);
  for (let count = 1; count <= 2; count++) {
    known.send(...delivery, "Content-Length: 2", "", "{}");
    await known.until(new RegExp(`(?:"status":"running"[^]*){${count}}`));
  }
  expect(known.text.toLowerCase()).not.toContain("connection: close");
});
