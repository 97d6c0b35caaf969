import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";

const folder = mkdtempSync(path.join(tmpdir(), "iscep-descriptors-"));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Says what it did on one line each; goes on when it is told to. Before each look it takes the descriptors that threads of
 * Node have given back meanwhile.
 */
const program = `
  import { openSync, closeSync } from "node:fs";
  import { createInterface } from "node:readline";
  import { openTokenStore } from "#iscep/identity/token-store";
  import { defaultLimits } from "#iscep/limits/limits";
  const [file, token] = process.argv.slice(1);
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  let problems = 0;
  const store = openTokenStore(file, { limits: defaultLimits, onProblem: () => problems++ });
  const taken = [];
  const fill = () => { try { for (;;) taken.push(openSync("/dev/null", "r")); } catch {} };
  const looks = () => { fill(); return store.verify(token) !== undefined; };
  fill();
  console.log("full");
  await lines.next();
  while (looks() && problems === 0) await new Promise((done) => setTimeout(done, 20));
  console.log(problems > 0 ? "cannot read" : "has read the change although no descriptor was left");
  // Longer than the file is taken for fresh: from here on only a new attempt finds the change.
  await new Promise((done) => setTimeout(done, 3 * defaultLimits.tokensFileCheckMs));
  console.log(looks() ? "still accepted" : "refused too early");
  for (const descriptor of taken) closeSync(descriptor);
  while (store.verify(token) !== undefined) await new Promise((done) => setTimeout(done, 20));
  console.log("refused");
  store.close();
  process.exit();
`;

test("a token that was removed while no descriptor was left is refused once there is one", async () => {
  const file = path.join(folder, "tokens.json");
  const { token } = await addToken(file, { owner: "alice" });
  await addToken(file, { owner: "bob" });
  const child = spawn(
    "sh",
    ["-c", 'ulimit -n 64; exec "$0" --input-type=module -e "$1" "$2" "$3"', process.execPath, program, file, token],
    // Node reads these certificates in a thread, which takes a descriptor and gives it back at any time.
    { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined } },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  const said: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => said.push(...text.trim().split("\n")));
  while (said.length === 0) await once(child.stdout, "data");
  await removeToken(file, "alice");
  child.stdin.write("removed\n");
  await once(child, "close");
  expect(said).toEqual(["full", "cannot read", "still accepted", "refused"]);
});
