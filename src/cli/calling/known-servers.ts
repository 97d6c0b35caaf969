/**
 * Keeps the servers that this user named with `iscep login`. They are in a file of the user's own, 0600, so that
 * addresses and tokens stay out of the shell's history and the list of processes.
 */
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { IscepError } from "../../errors.js";
import { writeFileAtomically } from "../../files/atomic-file.js";
import { withFileLock } from "../../files/file-lock.js";
import { readPrivateText } from "../../files/private-file.js";
import { defaultLimits } from "../../limits/limits.js";
import { nearName } from "../../text/near-name.js";
import { isJsonObject } from "../../wire/json.js";
import { surroundings } from "../terminal/surroundings.js";

export interface KnownServer {
  /** The address, as for --url, with this user's token in it if there is one. */
  readonly address: string;
  /** This user's token for a service on a broker, whose address has none. */
  readonly token?: string;
  /** The absolute path of a PEM file. */
  readonly ca?: string;
}

type KnownServers = ReadonlyMap<string, KnownServer>;

/** XDG Base Directory Specification 0.8: a relative XDG_CONFIG_HOME is ignored. */
export function knownServersFile(): string {
  const { XDG_CONFIG_HOME: folder = "" } = surroundings().env;
  return join(isAbsolute(folder) ? folder : join(homedir(), ".config"), "iscep", "servers.json");
}

/** @throws IscepError `configuration` for a file that others can read, or that is damaged */
export function readKnownServers(): KnownServers {
  const file = knownServersFile();
  const wrong = (cause?: unknown): IscepError =>
    new IscepError("configuration", `${file} is damaged; mend it, or remove it and log in again`, { cause });
  if (!existsSync(file)) return new Map();
  const { text } = readPrivateText(file, {
    kind: "servers file",
    maxBytes: defaultLimits.maxTokensFileBytes,
    limit: "maxTokensFileBytes",
    whenMissing: "`iscep login NAME ADDRESS` makes one",
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which holds tokens.
    throw wrong();
  }
  if (!isJsonObject(parsed)) throw wrong();
  return new Map(
    Object.entries(parsed).map(([name, value]) => {
      if (!isJsonObject(value)) throw wrong();
      const { address, token, ca } = value;
      if (typeof address !== "string" || !isTextOrNothing(token) || !isTextOrNothing(ca)) throw wrong();
      return [name, { address, ...(token === undefined ? {} : { token }), ...(ca === undefined ? {} : { ca }) }];
    }),
  );
}

function isTextOrNothing(value: unknown): value is string | undefined {
  return value === undefined || typeof value === "string";
}

/** @throws IscepError `usage` when there is no server of that name; `configuration` as `readKnownServers` */
export function knownServer(name: string): KnownServer {
  const servers = readKnownServers();
  const server = servers.get(name);
  if (server !== undefined) return server;
  const near = nearName(name, [...servers.keys()]);
  throw new IscepError(
    "usage",
    `there is no server named ${name}${near === undefined ? "" : `; did you mean ${near}?`} (\`iscep servers\` lists them, \`iscep login ${name} ADDRESS\` adds one)`,
  );
}

/** Adds a server, or replaces the one of that name. */
export function keepServer(name: string, server: KnownServer): Promise<void> {
  return change((servers) => servers.set(name, server));
}

/** @throws IscepError `usage` when there is no server of that name */
export function forgetServer(name: string): Promise<void> {
  return change((servers) => {
    knownServer(name);
    servers.delete(name);
  });
}

async function change(apply: (servers: Map<string, KnownServer>) => void): Promise<void> {
  const file = knownServersFile();
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new IscepError("configuration", `the folder ${dirname(file)} cannot be made`, { cause });
  }
  await withFileLock(file, defaultLimits.fileLockTimeoutMs, () => {
    const servers = new Map(readKnownServers());
    apply(servers);
    writeFileAtomically(file, `${JSON.stringify(Object.fromEntries(servers), null, 2)}\n`);
  });
}
