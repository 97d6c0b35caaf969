/** No descriptor is left for a while: a planned time is claimed when there are some again, and not by everybody. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";

const program = `
  import { closeSync, openSync, readdirSync } from "node:fs";
  import { folderClaims } from "#iscep/schedule/folder-claims";

  const [folder] = process.argv.slice(1);
  const claim = folderClaims(folder, () => false, 3_600_000);
  const time = { command: "nightly", plannedMs: 1, isAlone: true };
  await claim({ ...time, command: "other" });
  const before = readdirSync(folder).length;
  const taken = [];
  try { for (;;) taken.push(openSync("/dev/null", "r")); } catch {}
  const short = await claim(time).then(({ kind }) => kind, ({ code }) => code);
  for (const descriptor of taken.splice(0)) closeSync(descriptor);
  const left = readdirSync(folder).length - before;
  const again = await claim(time);
  console.log(JSON.stringify({ short, left, again: again.kind }));
`;

test("a shortage of descriptors makes nobody start a time", () => {
  const limited = `ulimit -n 64; exec "$0" --input-type=module --eval "$1" "$2"`;
  const { stdout, stderr } = spawnSync("sh", ["-c", limited, process.execPath, program, temporaryFolder()], {
    encoding: "utf8",
    // Node reads these certificates in a thread, which takes a descriptor and gives it back at any time.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined },
  });
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual({ short: "EMFILE", left: 0, again: "ours" });
});
