/** Reads iscep.yaml: what a server listens on, who may call, and which commands it has. */
import { open } from "node:fs/promises";
import path from "node:path";
import { systemCodeOf } from "../files/system-code.js";
import { IscepError, toIscepError } from "../errors.js";
import { defaultLimits, limitTable, type Limits } from "../limits/limits.js";
import { checkChoices } from "./arguments.js";
import type { NotifyDefinition } from "../commands/notify.js";
import type { Command, JsonSchema, ScriptCommand } from "../model/command.js";
import type { LogStream } from "../model/logs.js";
import { mapOf, mapSchema, readKeys, type KeyTable, type ReadContext, type ValueKind } from "./keys.js";
import { checkHooks } from "./hooks.js";
import { http, type HttpConfiguration } from "./http.js";
import { limits } from "./limits.js";
import { clients, type ClientsSettings } from "./clients.js";
import { nats, type NatsConfiguration } from "./nats.js";
import { notices } from "./notify.js";
import type { ListenPlace } from "../transport/address.js";
import { listenPlaces } from "./listen.js";
import { logs } from "./logs.js";
import { ConfigurationProblems } from "./problems.js";
import { filePath, flag, listOf, wholeNumber } from "./values.js";
import { loadCommandModule } from "../commands/load-module.js";
import { scripts } from "./script.js";
import { wordsForFile } from "../text/other-words.js";
import { parseYaml, type YamlValue } from "./yaml-source.js";

export interface Configuration extends Settings {
  /** The scripts of the file, and the commands of its modules. */
  readonly commands: readonly Command[];
  readonly modules: readonly string[];
  /** For each absolute path, its place in the file: `FILE:LINE:COLUMN`. */
  readonly places: ReadonlyMap<string, string>;
  /** The text of each script in the file, by its name. Two texts differ when a definition has changed. */
  readonly texts: ReadonlyMap<string, string>;
}

/** All paths are absolute. Keys that the file does not have are absent. */
interface Settings {
  readonly listen?: readonly ListenPlace[];
  /** The paths of PEM files. true asks for a key and a certificate that the server makes itself. */
  readonly tls?: boolean | { readonly cert: string; readonly key: string };
  /** The path of the tokens file. false: everybody may call, from everywhere. */
  readonly tokens?: string | false;
  readonly clientCertificates?: ClientsSettings;
  readonly http?: HttpConfiguration;
  readonly nats?: NatsConfiguration;
  readonly endPointBinding?: boolean;
  /** The folder of the logs, or the stream of the process that gets them. */
  readonly logs?: string | LogStream;
  readonly logArgs?: boolean;
  readonly stateFolder?: string;
  readonly notify?: readonly NotifyDefinition[];
  readonly limits?: Partial<Limits>;
  readonly maxConnections?: number;
  readonly threads?: number;
}

const tlsFiles = mapOf<{ cert: string; key: string }>("map", {
  cert: {
    field: "cert",
    kind: filePath,
    says: "The certificate as PEM. In a chain, the server's own comes first.",
    required: "the certificate; `iscep cert` makes both cert and key",
  },
  key: {
    field: "key",
    kind: filePath,
    says: "The key of the certificate, as PEM, with mode 0600.",
    required: "the key of the certificate; `iscep cert` makes both cert and key",
  },
});

const tls: ValueKind<boolean | { cert: string; key: string }> = {
  words: "`true`, `false`, or `{ cert: FILE, key: FILE }`",
  schema: { anyOf: [flag.schema, tlsFiles.schema] },
  read(value, context) {
    if (typeof value.scalar === "boolean") return value.scalar;
    if (!value.isMap) throw value.error(`${value.what} must be true, false, or { cert: FILE, key: FILE }`);
    const { cert, key } = tlsFiles.read(value, context);
    // Either may be missing. Then the problems say so, and what is returned here is not used.
    return cert === undefined || key === undefined ? true : { cert, key };
  },
};

const tokensFile: ValueKind<string | false> = {
  words: "path, or `false`",
  schema: { anyOf: [filePath.schema, { const: false }] },
  read: (value, context) => (value.scalar === false ? false : filePath.read(value, context)),
};

export interface FileFields extends Settings {
  readonly modules: readonly YamlValue[];
  readonly commands: readonly ScriptCommand[];
}

/** The keys in the order in which the documents show them. */
export const configurationKeys = {
  listen: {
    field: "listen",
    kind: listenPlaces,
    says: "Where the server listens: `HOST:PORT`, `PORT`, `[::1]:8989`, or `unix:PATH`. Port 0 picks a free one.",
    default: "`127.0.0.1:8989`",
  },
  tls: {
    field: "tls",
    kind: tls,
    says: "The certificate and its key. With `true`, the server makes both and keeps them in its state folder. Unix sockets never use TLS.",
    default: "`true`",
  },
  tokens: {
    field: "tokens",
    kind: tokensFile,
    says: "The tokens file, which `iscep tokens` writes. Without it, everybody on this machine may call; with `false`, everybody who can connect.",
  },
  clients: {
    field: "clientCertificates",
    kind: clients,
    says: "How clients say who they are: by a token, by a certificate that the tokens file knows, or by both.",
    default: "by a token",
  },
  http: {
    field: "http",
    kind: http,
    says: "HTTP beside the other protocols, on the same places, or on places of its own.",
    default: "`false`",
  },
  nats: {
    field: "nats",
    kind: nats,
    says: "A broker of NATS over which callers come too; this server is an instance of a service there.",
  },
  end_point_binding: {
    field: "endPointBinding",
    kind: flag,
    says: "Whether clients that cannot bind their proof to the TLS connection may bind it to the server's certificate ([what that leaves open](../SECURITY.md#channel-binding)).",
    default: "`true`",
  },
  logs: {
    field: "logs",
    kind: logs,
    says: "The folder for access.log, error.log and commands.log, or the stream that gets their lines.",
  },
  log_args: {
    field: "logArgs",
    kind: flag,
    says: "Whether commands.log and `iscep runs show` tell the values of arguments, except secrets; for commands that do not say it themselves.",
    default: "`false`: their types and lengths",
  },
  state: {
    field: "stateFolder",
    kind: filePath,
    says: "The folder for what the server keeps between starts, such as the key that it made.",
    default: "`ISCEP_STATE_DIR`, else `XDG_STATE_HOME/iscep`, else `~/.local/state/iscep`",
  },
  notify: {
    field: "notify",
    kind: notices,
    says: "Who is told when runs end, for commands that have no `notify` of their own.",
  },
  limits: { field: "limits", kind: limits, says: "Limits and timeouts that differ from their defaults." },
  max_connections: {
    field: "maxConnections",
    kind: wholeNumber(1, limitTable.maxConnections.max),
    says: "A short form of the limit with this name.",
    default: String(limitTable.maxConnections.default),
  },
  threads: {
    field: "threads",
    kind: wholeNumber(1, limitTable.maxThreads.max),
    says: "A short form of the limit `max_threads`: worker threads for functions that ask for one.",
    default: String(limitTable.maxThreads.default),
  },
  modules: {
    field: "modules",
    kind: listOf("list of paths", { words: "path", schema: filePath.schema, read: (value) => value }),
    says: "Files of JavaScript or TypeScript that export commands.",
  },
  commands: { field: "commands", kind: scripts, says: "Scripts as commands, by name." },
} satisfies KeyTable<FileFields>;

/** Keys that begin with this belong to the author, for anchors whose maps other keys merge by `<<`. */
const ownPrefix = "x-";

const laterKeys = ["mcp", "websocket", "gateway", "runs", "journal", "schedule", "user", "include"];

/** The schema for editors, in draft 7, because all of them know it. */
export function configurationSchema(): JsonSchema {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "iscep.yaml",
    description: "What an iscep server listens on, who may call, and which commands it has.",
    ...mapSchema(configurationKeys),
    patternProperties: { [`^${ownPrefix}`]: {} },
  };
}

/**
 * Reads an iscep.yaml. Paths in it are relative to its folder.
 * @throws IscepError `configuration`, with file, line and column, that says what to write instead; several faults have
 *   a line each
 */
export async function loadConfiguration(file: string): Promise<Configuration> {
  const problems = new ConfigurationProblems();
  const places = new Map<string, string>();
  const texts = new Map<string, string>();
  const context: ReadContext = { folder: path.dirname(path.resolve(file)), problems, places, texts };
  const root = parseYaml(file, await readText(file));
  const fields = root.fields(Object.keys(configurationKeys), problems, {
    ownPrefix,
    later: laterKeys,
    otherWords: wordsForFile,
  });
  const { modules = [], commands = [], ...settings } = readKeys<FileFields>(fields, configurationKeys, context, root);
  refuseTwice(settings, fields, problems);
  const place = fields.get("commands") ?? root;
  const placed = [...commands.map((command) => ({ command, place })), ...(await loadModules(modules, context))];
  const unique = withUniqueNames(placed, problems);
  // A command that could not be read would be reported as missing too.
  if (problems.count === 0 && fields.has("commands")) checkChoices(place, unique, context);
  if (problems.count === 0 && typeof settings.http === "object")
    checkHooks(settings.http.hooks ?? {}, fields.get("http"), unique, context);
  problems.throwIfAny();
  return {
    ...settings,
    places,
    texts,
    commands: unique,
    modules: modules.map((module) => path.resolve(context.folder, module.text())),
  };
}

function refuseTwice(
  { maxConnections, threads, limits: given = {} }: Settings,
  fields: ReadonlyMap<string, YamlValue>,
  problems: ConfigurationProblems,
): void {
  const twice = [
    ...(maxConnections !== undefined && given.maxConnections !== undefined ? ["max_connections"] : []),
    ...(threads !== undefined && given.maxThreads !== undefined ? ["threads"] : []),
  ];
  for (const name of twice) {
    const value = fields.get(name);
    if (value !== undefined) problems.add(value.error(`\`${name}\` stands in \`limits\` too; remove one of the two`));
  }
}

interface PlacedCommand {
  readonly command: Command;
  readonly place: YamlValue;
}

async function loadModules(modules: readonly YamlValue[], { folder, problems }: ReadContext): Promise<PlacedCommand[]> {
  const placed: PlacedCommand[] = [];
  for (const place of modules) {
    const file = problems.attempt(() => path.resolve(folder, place.text()));
    if (file === undefined) continue;
    try {
      for (const command of await loadCommandModule(file)) placed.push({ command, place });
    } catch (error) {
      problems.add(place.error(toIscepError(error).message, error));
    }
  }
  return placed;
}

/** YAML itself refuses two scripts with the same name. */
function withUniqueNames(placed: readonly PlacedCommand[], problems: ConfigurationProblems): Command[] {
  const byName = new Map<string, Command>();
  for (const { command, place } of placed) {
    const known = byName.get(command.name);
    if (known !== undefined && known !== command) {
      problems.add(
        place.error(`this module has a command "${command.name}", and there is another one of that name; rename one`),
      );
    }
    byName.set(command.name, command);
  }
  return [...byName.values()];
}

async function readText(file: string): Promise<string> {
  const bytes = await readBounded(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new IscepError("configuration", `${file}: is not UTF-8 text; save it as such`, { cause });
  }
}

async function readBounded(file: string): Promise<Uint8Array> {
  const { maxConfigurationBytes } = defaultLimits;
  try {
    await using handle = await open(file);
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(maxConfigurationBytes + 1),
      0,
      maxConfigurationBytes + 1,
      0,
    );
    if (bytesRead > maxConfigurationBytes) {
      throw new IscepError(
        "configuration",
        `${file}: is larger than ${maxConfigurationBytes} bytes; this cannot be an iscep.yaml`,
      );
    }
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    const reason = systemCodeOf(cause);
    if (reason === "ENOENT")
      throw new IscepError("configuration", `${file}: there is no such file; \`iscep init\` makes one`, { cause });
    if (reason === "EISDIR")
      throw new IscepError("configuration", `${file}: is a folder; give the path of an iscep.yaml`, { cause });
    throw toIscepError(cause, "configuration", `${file}: cannot be read: `);
  }
}
