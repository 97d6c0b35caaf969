/** iscep.yaml: what a server listens on, whom it lets in, and which commands it has. */
import { open } from "node:fs/promises";
import path from "node:path";
import { IscepError, toIscepError } from "../errors.js";
import { defaultLimits, limitTable } from "../limits.js";
import type { Command } from "./command.js";
import { listenForms, parseListen, type ListenPlace } from "./configuration-listen.js";
import { loadCommandModule } from "./load-module.js";
import { readScripts } from "./script-configuration.js";
import { parseYaml, type YamlValue } from "./yaml-source.js";

/** All paths are absolute. What the file does not say is not there. */
export interface Configuration {
  /** Its scripts, and the commands of its modules. */
  readonly commands: readonly Command[];
  readonly listen?: ListenPlace;
  /** Paths of PEM files; true asks for a key and certificate that the server makes itself. */
  readonly tls?: boolean | { readonly cert: string; readonly key: string };
  /** Path of the tokens file. */
  readonly tokens?: string;
  /** Folder of the logs. */
  readonly logs?: string;
  readonly maxConnections?: number;
  readonly threads?: number;
}

const knownFields = ["listen", "tls", "tokens", "logs", "max_connections", "threads", "modules", "commands"];
const laterFields = [
  "http",
  "mcp",
  "nats",
  "websocket",
  "gateway",
  "runs",
  "journal",
  "schedule",
  "limits",
  "user",
  "include",
];

/**
 * Reads an iscep.yaml; paths in it are relative to its folder.
 * @throws IscepError `configuration`, with file, line and column, that says what to write instead
 */
export async function loadConfiguration(file: string): Promise<Configuration> {
  const fields = parseYaml(file, await readText(file)).fields(knownFields, laterFields);
  const folder = path.dirname(path.resolve(file));
  const settings = {};
  for (const [name, value] of fields) Object.assign(settings, readSetting(name, value, folder));
  const scripts = fields.get("commands");
  const modules = fields.get("modules");
  const placed = [
    ...(scripts === undefined ? [] : readScripts(scripts, folder).map((command) => ({ command, place: scripts }))),
    ...(modules === undefined ? [] : await loadModules(modules, folder)),
  ];
  return { ...settings, commands: withUniqueNames(placed) };
}

function readSetting(name: string, value: YamlValue, folder: string): Partial<Configuration> {
  switch (name) {
    case "listen":
      return { listen: readListen(value, folder) };
    case "tls":
      return { tls: readTls(value, folder) };
    case "tokens":
      return { tokens: path.resolve(folder, value.text()) };
    case "logs":
      return { logs: path.resolve(folder, value.text()) };
    case "max_connections":
      return { maxConnections: value.wholeNumber(1, limitTable.maxConnections.max) };
    case "threads":
      return { threads: value.wholeNumber(1, limitTable.maxThreads.max) };
    default:
      return {};
  }
}

function readListen(value: YamlValue, folder: string): ListenPlace {
  const { scalar } = value;
  const listen =
    typeof scalar === "string" || typeof scalar === "number" ? parseListen(String(scalar), folder) : undefined;
  if (listen === undefined) throw value.error(`${value.what} must be ${listenForms}, with a port from 0 to 65535`);
  return listen;
}

function readTls(value: YamlValue, folder: string): boolean | { cert: string; key: string } {
  if (typeof value.scalar === "boolean") return value.scalar;
  if (!value.isMap) throw value.error(`${value.what} must be true, false, or { cert: FILE, key: FILE }`);
  const fields = value.fields(["cert", "key"]);
  const [cert, key] = [fields.get("cert"), fields.get("key")];
  if (cert === undefined || key === undefined)
    throw value.error(`${value.what} needs both cert and key; \`iscep cert\` makes them`);
  return { cert: path.resolve(folder, cert.text()), key: path.resolve(folder, key.text()) };
}

interface PlacedCommand {
  readonly command: Command;
  readonly place: YamlValue;
}

async function loadModules(modules: YamlValue, folder: string): Promise<PlacedCommand[]> {
  const placed: PlacedCommand[] = [];
  for (const place of modules.list()) {
    const file = path.resolve(folder, place.text());
    try {
      for (const command of await loadCommandModule(file)) placed.push({ command, place });
    } catch (error) {
      throw place.error(toIscepError(error).message, error);
    }
  }
  return placed;
}

/** Of the scripts YAML itself keeps the names apart. */
function withUniqueNames(placed: readonly PlacedCommand[]): Command[] {
  const byName = new Map<string, Command>();
  for (const { command, place } of placed) {
    const known = byName.get(command.name);
    if (known !== undefined && known !== command) {
      throw place.error(
        `this module has a command "${command.name}", and there is another one of that name; rename one`,
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
    const reason = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (reason === "ENOENT")
      throw new IscepError("configuration", `${file}: there is no such file; \`iscep init\` makes one`, { cause });
    if (reason === "EISDIR")
      throw new IscepError("configuration", `${file}: is a folder; give the path of an iscep.yaml`, { cause });
    throw toIscepError(cause, "configuration", `${file}: cannot be read: `);
  }
}
