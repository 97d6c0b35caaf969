// @ts-check
/** Calls commands in threads, one after another, tells how each ended, and ends by itself: nothing is closed. */
import { isIscepError } from "#iscep/errors";
import { noInput } from "#iscep/runs/streams/input";
import { ThreadPool } from "#iscep/runs/thread/pool";
import * as commands from "../modules/commands.mjs";

/** @type {Map<string, (typeof commands)[keyof typeof commands]>} */
const all = new Map(Object.values(commands).map((command) => [command.name, command]));
const pool = new ThreadPool({ maxThreads: 1 });
for (const name of process.argv.slice(2)) {
  const command = all.get(name);
  if (command === undefined) throw new Error(`no command ${name}`);
  const options = {
    runId: name,
    identity: { owner: "alice", tokenId: null },
    signal: new AbortController().signal,
    output: { write: () => undefined },
    progress: () => {},
    stdin: noInput,
  };
  const told = await pool.run(command, {}, options).then(
    () => "done",
    (/** @type {unknown} */ error) => (isIscepError(error) ? `${error.code}: ${error.message}` : String(error)),
  );
  process.stdout.write(`${told}\n`);
}
