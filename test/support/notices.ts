/** Scripts that are told of runs. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { defineCommand, IscepError, type NotifyDefinition } from "iscep";
import { Registry } from "#iscep/commands/registry";
import { compileNotices } from "#iscep/commands/notify";
import { Dispatcher } from "#iscep/dispatcher";
import { resolveLimits, type Limits } from "#iscep/limits/limits";
import type { ErrorEvent } from "#iscep/model/logs";
import { Notices } from "#iscep/notices/notices";
import { silentLogs } from "#iscep/logs/combine";

export interface Facts {
  readonly run: string;
  readonly command: string;
  readonly status: string;
  readonly stderr: string;
}

export function program(folder: string, name: string, lines: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
  return file;
}

/** A script that keeps the facts of each notice in a file of its own, as one write, so that none can mix with another. */
export function teller(folder: string): { readonly run: [string, ...string[]]; told(): Facts[] } {
  const file = program(
    folder,
    "tell",
    `cat > "${folder}/$ISCEP_RUN.new"; mv "${folder}/$ISCEP_RUN.new" "${folder}/$ISCEP_RUN.told"`,
  );
  const told = (): Facts[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".told"))
      .map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")) as Facts);
  return { run: [file], told };
}

/** A dispatcher with notices of its own, and what they log. */
export function dispatcherWith(
  commands: Parameters<typeof Registry.prototype.register>[0][],
  notify: NotifyDefinition | readonly NotifyDefinition[],
  limits: Partial<Limits> = {},
  folder?: string,
) {
  const logged: ErrorEvent[] = [];
  const logs = { ...silentLogs, error: (event: ErrorEvent) => void logged.push(event) };
  const registry = new Registry(commands);
  const all = compileNotices("the server", notify);
  const resolved = resolveLimits(limits);
  const metrics = { notices: { given: 0, failed: 0, dropped: 0 } };
  const notices = new Notices({ limits: resolved, metrics, logs, registry, all, folder });
  const dispatcher = new Dispatcher({ registry, limits: resolved, notices });
  const noticed = (): ErrorEvent[] => logged.filter(({ event }) => event === "notice");
  return { dispatcher, notices, noticed };
}

export const bad = defineCommand({
  name: "bad",
  run: () => {
    throw new IscepError("failed", "it broke");
  },
});
