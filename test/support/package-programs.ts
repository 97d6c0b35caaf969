import { spawnSync } from "node:child_process";

/** npm tells its scripts about the package that it runs for; a second npm in another folder must not believe it. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^npm_(?:package|lifecycle|command|config_local_prefix)|^INIT_CWD$|^NODE_OPTIONS$/.test(name),
  ),
);

/** Runs a program to its end and gives what it printed; throws with all of it unless it exits 0. */
export function run(folder: string, program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = tryRun(folder, program, ...args);
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} exited ${String(status)}:\n${stdout}\n${stderr}`);
  return stdout;
}

export function tryRun(folder: string, program: string, ...args: readonly string[]) {
  const shell = process.platform === "win32" && program !== process.execPath;
  return spawnSync(program, args, { cwd: folder, env: environment, encoding: "utf8", shell, timeout: 200_000 });
}
