// @ts-check
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { connect } from "iscep";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import { session } from "../attackers/wire.mjs";
import { serviceFolder, ServeProcess, until, withServer } from "../support/serving.mjs";

export const number = 16;
export const promise = "a token that is removed ends its sessions; a file that breaks changes nothing";
export const promised =
  "a live session ends within 1 s, 20 times; a corrupt tokens file: the last good tokens count, and the log says so; none at the start: no start";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const rounds = isShort ? 3 : 20;
  return withServer({ tokens: true }, async (server) => {
    const file = path.join(server.folder, "tokens.json");
    let slowestMs = 0;
    for (let round = 0; round < rounds; round++) {
      const { token, record } = await addToken(file, { owner: `owner-${round}` });
      const open = await session(server.target, token);
      await open.ask("call", { command: "add", args: { a: 1, b: 2 } });
      await removeToken(file, record.id);
      slowestMs = Math.max(slowestMs, await until(() => open.isClosed, 10_000));
      open.socket.destroy();
    }
    const good = readFileSync(file);
    const client = await connect(server.url, { token: server.token });
    writeFileSync(`${file}.new`, "{ broken", { mode: 0o600 });
    renameSync(`${file}.new`, file);
    const log = path.join(server.folder, "logs/error.log");
    const toldMs = await until(() => readFileSync(log, "utf8").includes("tokens_file"), 5_000);
    const counts = (await client.call("add", { a: 1, b: 2 })) === 3;
    await client.close();
    writeFileSync(file, good);
    const folder = serviceFolder("listen: 127.0.0.1:0\ntokens: missing.json\ncommands:\n  hello: { run: [echo] }\n");
    const { code } = await new ServeProcess(folder).exited;
    rmSync(folder, { recursive: true });
    return {
      measured: `slowest of ${rounds} sessions ended after ${slowestMs.toFixed(0)} ms; corrupt file: tokens of before ${counts ? "count" : "DO NOT count"}, logged after ${toldMs.toFixed(0)} ms; without a file: exit code ${String(code)}`,
      held: slowestMs <= 1_000 * slack && counts && toldMs < 5_000 && code !== 0 && code !== null,
    };
  });
}
