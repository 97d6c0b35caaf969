import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { systemCodeOf } from "../files/system-code.js";
import { IscepError } from "../errors.js";
import { isCommand } from "./brand.js";
import type { Command } from "../model/command.js";

const nativeExtensions = [".js", ".mjs", ".cjs"];
const typeScriptExtensions = [".ts", ".mts", ".cts"];

/**
 * After an import has failed once, Node always gives the same error, even when the file is mended. Under another URL it
 * looks again. A module that was loaded is never loaded twice.
 */
const failedImports = new Map<string, number>();

export function isCommandModuleFile(file: string): boolean {
  return [...nativeExtensions, ...typeScriptExtensions].includes(path.extname(file));
}

/**
 * The commands that a module exports: each export that is a command, or an array or a record of commands.
 * @throws IscepError `configuration` when the file is not there, does not load, or exports no command
 */
export async function loadCommandModule(file: string): Promise<Command[]> {
  const absolute = path.resolve(file);
  if (!isCommandModuleFile(absolute)) {
    const known = [...nativeExtensions, ...typeScriptExtensions].join(", ");
    throw new IscepError("configuration", `${file}: a module of commands ends in one of ${known}`);
  }
  if (!existsSync(absolute) || !statSync(absolute).isFile()) {
    throw new IscepError("configuration", `${file}: there is no such file; check the path of the module`);
  }
  const failures = failedImports.get(absolute) ?? 0;
  let loaded: unknown;
  try {
    loaded = await importModule(`${pathToFileURL(absolute).href}${failures === 0 ? "" : `?attempt=${failures + 1}`}`);
  } catch (error) {
    if (nativeExtensions.includes(path.extname(absolute))) failedImports.set(absolute, failures + 1);
    throw new IscepError("configuration", `${file}: cannot be loaded: ${reasonOf(error, absolute)}`, { cause: error });
  }
  const commands = commandsIn(loaded);
  if (commands.length === 0) {
    throw new IscepError(
      "configuration",
      `${file}: exports no command; export what defineCommand or defineScript returns`,
    );
  }
  return commands;
}

/**
 * Imports a module of JavaScript or TypeScript by its file: URL, in any thread. If no package "iscep" is installed
 * beside it, the module gets this one.
 */
export async function importModule(url: string): Promise<unknown> {
  try {
    return await importAsItIs(url);
  } catch (error) {
    // Imports are linked before anything of a module runs, so it does not run twice.
    if (!lacksThisPackage(error)) throw error;
    return importTransformed(url, { iscep: await import(import.meta.resolve("iscep")) });
  }
}

/** Node has no code of its own for this, and jiti reports it in Node's words. */
function lacksThisPackage(error: unknown): boolean {
  return error instanceof Error && /^Cannot find (?:package|module) 'iscep'(?!\w)/.test(error.message);
}

async function importAsItIs(url: string): Promise<unknown> {
  const { pathname } = new URL(url);
  if (!typeScriptExtensions.includes(path.extname(pathname))) return import(url) as Promise<unknown>;
  if (!stripsTypes()) return importTransformed(url);
  try {
    return await import(url);
  } catch (error) {
    // Enums and the like must be transformed. When Node says so, nothing of the module has run yet.
    if (systemCodeOf(error) === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") return importTransformed(url);
    throw error;
  }
}

function stripsTypes(): boolean {
  return (
    "typescript" in process.features &&
    process.features.typescript !== false &&
    process.features.typescript !== undefined
  );
}

async function importTransformed(url: string, virtualModules: Record<string, unknown> = {}): Promise<unknown> {
  const { createJiti } = await import("jiti");
  // There is no cache of files, because it would be in a temporary folder, where others may change the code that we
  // run.
  return createJiti(import.meta.url, { fsCache: false, virtualModules }).import(url.replace(/\?.*$/, ""));
}

/** Each command once, even if it is exported by name and by default. */
function commandsIn(module: unknown): Command[] {
  if (typeof module !== "object" || module === null) return [];
  const found = new Set<Command>();
  for (const exported of Object.values(module) as unknown[]) {
    if (isCommand(exported)) found.add(exported);
    else if (typeof exported === "object" && exported !== null) {
      for (const member of Object.values(exported) as unknown[]) if (isCommand(member)) found.add(member);
    }
  }
  return [...found];
}

function reasonOf(error: unknown, file: string): string {
  if (!(error instanceof Error)) return String(error);
  // jiti gives the place in a second line of its message.
  const [first = "", place = ""] = error.message.split("\n");
  const transformed = /:(\d+):\d+$/.exec(place)?.[1];
  if (transformed !== undefined) return `${first.replace("ParseError", "SyntaxError").trim()} (line ${transformed})`;
  const line = error instanceof SyntaxError ? (strippedErrorLine(error) ?? syntaxErrorLine(file)) : undefined;
  return `${error.name === "Error" ? "" : `${error.name}: `}${first}${line === undefined ? "" : ` (line ${line})`}`;
}

/** When Node strips types itself, the stack begins with the place. */
function strippedErrorLine(error: SyntaxError): string | undefined {
  const isStripped = systemCodeOf(error) === "ERR_INVALID_TYPESCRIPT_SYNTAX";
  return isStripped ? /^[^\n]*:(\d+)\n/.exec(error.stack ?? "")?.[1] : undefined;
}

/**
 * V8 only prints the line of a module's syntax error, and programs cannot read it. undefined when the fault is in
 * another file.
 */
function syntaxErrorLine(file: string): string | undefined {
  const { stderr } = spawnSync(process.execPath, ["--check", file], { encoding: "utf8" });
  return /^[^\n]*:(\d+)\n/.exec(stderr)?.[1];
}
