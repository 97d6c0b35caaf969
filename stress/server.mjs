// @ts-check
/**
 * The measured server, in a process of its own. It serves scripts in a given folder, and prints its port on loopback.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { defineScript, Server } from "iscep";

const [folder = ".", limits = "{}"] = process.argv.slice(2);

/** @param {string} name @param {string} lines */
function file(name, lines) {
  const made = path.join(folder, `${name}.sh`);
  writeFileSync(made, `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
  return made;
}

const server = new Server({
  commands: [
    defineScript({ name: "hello", run: [file("hello", "echo hello")] }),
    defineScript({
      name: "numbered",
      run: [file("numbered", 'seq -f "$1 out %.0f" "$2"; seq -f "$1 err %.0f" "$2" >&2'), "{mark}", "{lines}"],
      args: { mark: { type: "string" }, lines: { type: "integer" } },
    }),
    defineScript({
      name: "zeros",
      run: [file("zeros", 'exec head -c "$1" /dev/zero'), "{bytes}"],
      args: { bytes: { type: "integer" } },
      output: "none",
      maxOutputBytes: 2 ** 40,
    }),
    // It leaves one process of each kind that is hard to find: in the group, outside the group with the pipes, and
    // outside without them.
    defineScript({
      name: "stay",
      run: [file("stay", "sleep 600 & setsid sleep 600 & setsid sleep 600 >/dev/null 2>&1 & echo begun; wait")],
    }),
    defineScript({
      name: "stubborn",
      run: [
        file(
          "stubborn",
          `trap '' TERM; setsid sh -c "trap '' TERM; while :; do sleep 1; done" & echo begun; while :; do sleep 1; done`,
        ),
      ],
    }),
  ],
  limits: /** @type {Partial<import("iscep").Limits>} */ (JSON.parse(limits)),
  port: 0,
  tls: false,
});
const { url } = await server.listen();
process.send?.({ url });
process.on("disconnect", () => void server.close({ graceMs: 0 }).then(() => process.exit()));
