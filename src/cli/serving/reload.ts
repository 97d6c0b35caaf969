/** Reads the files of `iscep serve` again while it runs: when they change, and at SIGHUP. */
import { isDeepStrictEqual } from "node:util";
import { toIscepError } from "../../errors.js";
import type { Logs } from "../../model/logs.js";
import type { Server } from "../../server/server.js";
import type { LogLevel } from "./logs.js";
import { commandChanges } from "./command-changes.js";
import { loadSources, type ServeSettings, type Sources } from "./sources.js";
import type { ServedCommands } from "./served-commands.js";
import { note, warn } from "../terminal/streams.js";
import type { WatchedFiles } from "../../files/watched-files.js";

export interface ReloadOptions {
  /** What was loaded when the server started. Its settings stay in force. */
  readonly sources: Sources;
  readonly server: Pick<Server, "reload">;
  readonly served: ServedCommands;
  readonly watched: WatchedFiles;
  /** The log files, if there are any. */
  readonly logs: Logs | undefined;
  readonly level: LogLevel;
}

export class Reload {
  readonly #options: ReloadOptions;
  readonly #modules: Set<string>;
  #running: Promise<void> | undefined;
  #again = false;
  #last: Sources;
  /** What was told to be broken, and is not mended yet. */
  readonly #broken = new Set<"files" | "key">();
  /** The next reading has to read key and certificate, too. */
  #withCertificate = false;

  constructor(options: ReloadOptions) {
    this.#options = options;
    this.#last = options.sources;
    this.#modules = new Set(options.sources.modules);
    options.watched.add(options.sources.modules);
  }

  /** Tokens need no reload, because they are always checked. */
  all(): void {
    this.#withCertificate = true;
    this.commands();
  }

  /** Reads files that have changed. */
  changed(files: readonly string[]): void {
    const modules = files.filter((file) => this.#modules.has(file));
    // Node cannot unload a module, and a second copy would share nothing with the first one.
    for (const module of modules)
      this.#tell(`${module} has changed; the functions in it stay as they are until the server is started again`);
    if (modules.length < files.length) this.commands();
  }

  /** Only one reading runs at a time. Files that change meanwhile are read after it. */
  commands(): void {
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#running = this.#reload().finally(() => {
      this.#running = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.commands();
    });
  }

  async #reloadCertificate(): Promise<void> {
    this.#withCertificate = false;
    try {
      await this.#options.server.reload();
      if (this.#broken.delete("key")) this.#inform("the key and certificate can be read again, and count now");
    } catch (error) {
      this.#broken.add("key");
      this.#tell("the key and certificate of before stay", error);
    }
  }

  async #reload(): Promise<void> {
    const { sources, served, watched, level } = this.#options;
    if (this.#withCertificate) await this.#reloadCertificate();
    try {
      const now = await loadSources(sources.files);
      served.replace(now.commands);
      watched.add(now.modules);
      for (const module of now.modules) this.#modules.add(module);
      if (level === "debug") void note(`iscep: read again: ${sources.files.join(", ")}`);
      const changes = commandChanges(this.#last, now);
      this.#last = now;
      if (this.#broken.delete("files")) this.#inform(`the fault is mended: ${changes || "all commands are as before"}`);
      else if (changes !== "") this.#inform(`commands were read again: ${changes}`);
      const settings = await changedSettings(sources.settings, now.settings);
      if (settings.length > 0)
        this.#tell(`changes of ${settings.join(", ")} count when the server is started again; commands count now`);
    } catch (error) {
      this.#broken.add("files");
      this.#tell("the commands of before stay", error);
    }
  }

  #inform(message: string): void {
    this.#options.logs?.error({ event: "reload", message, level: "info" });
    if (this.#options.level !== "quiet") void note(`iscep: ${message}`);
  }

  #tell(what: string, error?: unknown): void {
    const message = error === undefined ? what : `${what}: ${toIscepError(error).message}`;
    this.#options.logs?.error({ event: "reload", message, ...(error === undefined ? {} : { error }) });
    if (this.#options.level !== "quiet") void warn(message);
  }
}

/** The names are those in iscep.yaml. */
async function changedSettings(before: ServeSettings, now: ServeSettings): Promise<string[]> {
  const { configurationKeys } = await import("../../configuration/configuration.js");
  const valueOf = (settings: ServeSettings, field: string): unknown => Reflect.get(settings, field);
  return Object.entries(configurationKeys)
    .filter(([, { field }]) => !isDeepStrictEqual(valueOf(before, field), valueOf(now, field)))
    .map(([name]) => `\`${name}\``);
}
