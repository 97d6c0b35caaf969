/** What `iscep serve` and `iscep check` say of files by which others decide what the server does. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { openToOthers } from "../../commands/script/program.js";
import { isOpenToOthers } from "./check-files.js";
import type { ServeSettings, Sources } from "./sources.js";

/** A line for each file of the server that names programs, or is one, and that others may change. */
export function sourcesOfOthers({ files, modules }: Pick<Sources, "files" | "modules">): string[] {
  const all = new Set([...files, ...modules].map((file) => resolve(file)));
  return [...all].flatMap((file) => openWarning(file).concat(ownerWarning(file, "what root runs")));
}

/** `iscep tokens` as root works on the files of all users. A server of root takes them too, and says whose it is. */
export function tokensOfOthers({ tokens }: Pick<ServeSettings, "tokens">): string[] {
  return typeof tokens === "string" ? ownerWarning(resolve(tokens), "who may call") : [];
}

export function keyOpenToOthers({ tls }: Pick<ServeSettings, "tls">): string[] {
  if (typeof tls !== "object" || !isOpenToOthers(tls.key)) return [];
  return [`other users can read the key ${tls.key}; chmod 600 ${tls.key}`];
}

function openWarning(file: string): string[] {
  const open = openToOthers(file);
  if (open === undefined) return [];
  return [`${open.path} can be changed by others, who so decide what the server runs; chmod ${open.mode} ${open.path}`];
}

function ownerWarning(file: string, what: string): string[] {
  if (process.getuid?.() !== 0) return [];
  const owner = statSync(file, { throwIfNoEntry: false })?.uid ?? 0;
  return owner === 0 ? [] : [`${file} belongs to user ${owner}, who so decides ${what}; chown root ${file}`];
}
