// @ts-check
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { connect } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import { dial, packet1, Type } from "../attackers/wire.mjs";
import { serviceFolder, ServeProcess } from "../support/serving.mjs";

export const number = 17;
export const promise = "no secret is written anywhere";
export const promised =
  "a secret argument, a token, wrong tokens and the same in broken packets: 0 times in logs, output, kept runs, or the list of processes";

/** @param {string} folder @returns {string[]} */
function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

export async function run() {
  const canary = "canaryOfTheStress7f3a91";
  const folder = serviceFolder(
    "listen: 127.0.0.1:0\ntls: false\ntokens: tokens.json\nlogs: logs\ncommands:\n  use: { run: [./use.sh], args: { password: { type: secret } }, stdin: { argument: password } }\n",
    { "use.sh": 'read -r it; echo "got $it"; echo "and $it" >&2; sleep 0.2; exit 3' },
  );
  try {
    const { token } = await addToken(path.join(folder, "tokens.json"), { owner: "alice" });
    const tokens = readFileSync(path.join(folder, "tokens.json"), "utf8");
    writeFileSync(
      path.join(folder, "iscep.yaml"),
      readFileSync(path.join(folder, "iscep.yaml"), "utf8").replace(", stdin: { argument: password }", ""),
    );
    const yaml = readFileSync(path.join(folder, "iscep.yaml"), "utf8").replace(
      "run: [./use.sh]",
      'run: [./use.sh, "{password:file}"]',
    );
    writeFileSync(path.join(folder, "iscep.yaml"), yaml);
    writeFileSync(
      path.join(folder, "use.sh"),
      '#!/bin/sh\nit=$(cat "$1"); echo "got $it"; echo "and $it" >&2; sleep 0.3; exit 3\n',
      { mode: 0o700 },
    );
    const server = new ServeProcess(folder, ["--debug"]);
    const url = await server.url;
    const client = await connect(url, { token });
    let commandLines = "";
    const look = setInterval(() => (commandLines += execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })), 50);
    await client.call("use", { password: canary }).catch(() => {});
    await client.run("use", { password: canary }, { idempotencyKey: canary }).outcome.catch(() => {});
    await client.call("use", { password: canary, wrong: canary }).catch(() => {});
    clearInterval(look);
    const port = Number(new URL(url.replace("iscep+tcp", "http")).port);
    for (const content of [
      { auth_token: canary, command: "use" },
      `{"auth_token": "${canary}`,
      { auth_token: `${token}x` },
    ]) {
      const socket = await dial({ host: "127.0.0.1", port });
      socket.write(packet1(Type.call, content));
      await new Promise((resolve) => socket.once("data", resolve));
      socket.destroy();
    }
    await client.close();
    await server.end();
    const secret = token.slice(18, 61);
    const texts = [
      ...filesIn(folder).map(
        (file) => /** @type {const} */ ([path.relative(folder, file), readFileSync(file, "latin1")]),
      ),
      /** @type {const} */ (["standard output", server.stdout]),
      /** @type {const} */ (["standard error", server.stderr]),
      /** @type {const} */ (["list of processes", commandLines]),
    ];
    const found = texts.filter(([, text]) => text.includes(canary) || text.includes(secret)).map(([where]) => where);
    return {
      measured: `${texts.length} texts of ${texts.reduce((sum, [, text]) => sum + text.length, 0)} bytes: a secret in ${found.length === 0 ? "none" : found.join(", ")}`,
      held: found.length === 0 && !tokens.includes(secret) && commandLines.includes("use.sh"),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
