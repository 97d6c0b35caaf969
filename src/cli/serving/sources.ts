/** Reads the FILEs of `iscep serve`: what they serve, and how. */
import { existsSync } from "node:fs";
import { extname, resolve } from "node:path";
import type { Command } from "../../model/command.js";
import { isCommandModuleFile, loadCommandModule } from "../../commands/load-module.js";
import { IscepError } from "../../errors.js";
import type { HttpConfiguration } from "../../configuration/http.js";
import type { NatsConfiguration } from "../../configuration/nats.js";
import type { ServerOptions } from "../../server/options.js";
import { surroundings } from "../terminal/surroundings.js";

export interface ServeSettings extends Omit<ServerOptions, "commands" | "host" | "port" | "unix"> {
  readonly http?: HttpConfiguration;
  readonly nats?: NatsConfiguration;
}

export interface Sources {
  /** The files themselves: modules and configurations. */
  readonly files: readonly string[];
  readonly commands: readonly Command[];
  /** Absolute paths of all modules, including those that the configurations name. */
  readonly modules: readonly string[];
  /** For each absolute path, the place where a configuration names it: `FILE:LINE:COLUMN`. */
  readonly places: ReadonlyMap<string, string>;
  /** The text of each script in a configuration, by its name. */
  readonly texts: ReadonlyMap<string, string>;
  /** A later file wins over an earlier one. */
  readonly settings: ServeSettings;
}

const defaultFile = "iscep.yaml";

/**
 * The files to use when none is given: the one that ISCEP_CONFIG names, or ./iscep.yaml.
 * @throws IscepError `usage` when there is none
 */
export function filesOf(files: readonly string[]): readonly string[] {
  if (files.length > 0) return files;
  const named = surroundings().env["ISCEP_CONFIG"] ?? "";
  if (named !== "") return [named];
  if (existsSync(defaultFile)) return [defaultFile];
  throw new IscepError(
    "usage",
    `no file was given, and there is no ./${defaultFile}; \`iscep init\` writes one to start from`,
  );
}

/** @throws IscepError `configuration` for files that are missing or wrong */
export async function loadSources(files: readonly string[]): Promise<Sources> {
  const commands: Command[] = [];
  const modules: string[] = [];
  const places = new Map<string, string>();
  const texts = new Map<string, string>();
  let settings: ServeSettings = {};
  for (const file of files) {
    const source = await loadSource(file);
    commands.push(...source.commands);
    modules.push(...source.modules);
    for (const [named, place] of source.places) places.set(named, place);
    for (const [name, text] of source.texts) texts.set(name, text);
    settings = merged(settings, source.settings);
  }
  return { files, commands, modules, places, texts, settings };
}

function merged(earlier: ServeSettings, later: ServeSettings): ServeSettings {
  const limits = { ...earlier.limits, ...later.limits };
  return { ...earlier, ...later, ...(Object.keys(limits).length === 0 ? {} : { limits }) };
}

async function loadSource(file: string): Promise<Omit<Sources, "files">> {
  if (isCommandModuleFile(file))
    return {
      commands: await loadCommandModule(file),
      modules: [resolve(file)],
      places: new Map(),
      texts: new Map(),
      settings: {},
    };
  if (![".yaml", ".yml"].includes(extname(file))) {
    throw new IscepError(
      "configuration",
      `${file}: a file to serve is an iscep.yaml, or a module that ends in .js, .mjs, .cjs, .ts, .mts or .cts`,
    );
  }
  const { loadConfiguration } = await import("../../configuration/configuration.js");
  const { commands, modules, places, texts, ...settings } = await loadConfiguration(file);
  return { commands, modules, places, texts, settings };
}
