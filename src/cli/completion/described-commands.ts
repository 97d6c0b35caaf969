/** Asks the server that a line is about. The question is short, and a file keeps the last answer about its commands. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { Command } from "commander";
import type { Client } from "../../client/client.js";
import type { CommandDescription } from "../../model/command.js";
import { readDescriptions } from "../../commands/describe.js";
import { writeFileAtomically } from "../../files/atomic-file.js";
import { defaultLimits } from "../../limits/limits.js";
import { formatAddress } from "../../transport/address.js";
import { addClientOptions, callerOf, openClient, type Caller, type ClientOptions } from "../calling/client-options.js";
import type { Candidate } from "./shell-candidate.js";
import type { TypedWord } from "./typed-words.js";
import { surroundings } from "../terminal/surroundings.js";

const filePrefix = "commands-";
const mostRuns = 50;

/**
 * `words` may contain options of clients. The result is empty when they cannot be understood, or the server does not
 * answer.
 */
export async function describedCommands(words: readonly TypedWord[]): Promise<readonly CommandDescription[]> {
  try {
    const options = clientOptionsIn(words);
    if (options === undefined) return [];
    const file = cacheFile(options);
    const kept = readKept(file);
    if (kept !== undefined) return kept;
    const found = await ask(options, (client, signal) => client.list({ signal }));
    keep(file, found);
    return found;
  } catch {
    // Without a server, a token or a cache there is nothing to offer, and a prompt is not the place to say why.
    return [];
  }
}

/** Runs change too often to be kept. */
export async function newestRuns(words: readonly TypedWord[]): Promise<readonly Candidate[]> {
  try {
    const options = clientOptionsIn(words);
    if (options === undefined) return [];
    const { runs } = await ask(options, (client, signal) => client.runs({ signal, limit: mostRuns }));
    return runs.map((run) => ({ value: run.run, description: `${run.command}, ${run.status}` }));
  } catch {
    return []; // as above
  }
}

/** Instances change too often, too. */
export async function presentInstances(words: readonly TypedWord[]): Promise<readonly Candidate[]> {
  try {
    const options = clientOptionsIn(words);
    if (options === undefined) return [];
    const instances = await ask(options, (client) => client.instances());
    return instances.map(({ instance, state, running, places }) => ({
      value: instance,
      description: `${state}, ${running} of ${places} running`,
    }));
  } catch {
    return []; // as above
  }
}

async function ask<Answer>(
  options: ClientOptions,
  question: (client: Client, signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  const timeoutMs = defaultLimits.completionTimeoutMs;
  const signal = AbortSignal.timeout(timeoutMs);
  const client = await openClient({ ...options, timeout: timeoutMs, quiet: true }, signal);
  // The client is not closed: this process ends soon, and would wait for a slow server.
  return question(client, signal);
}

/** undefined when the shell would expand a value: the result is not known, because nothing is evaluated here. */
function clientOptionsIn(words: readonly TypedWord[]): ClientOptions | undefined {
  const parser = addClientOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const taken: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index];
    const option = parser.options.find(({ long }) => long === word?.text.replace(/=.*$/s, ""));
    if (word === undefined || option === undefined) continue;
    const value = option.required && !word.text.includes("=") ? words[++index] : undefined;
    if (!word.isPlain || value?.isPlain === false) return undefined;
    taken.push(word.text, ...(value === undefined ? [] : [value.text]));
  }
  parser.parse(taken, { from: "user" });
  return parser.opts();
}

/**
 * There is one file for each server and caller. Its name reveals neither, and it contains only what the server tells
 * anyway.
 */
function cacheFile(options: ClientOptions): string {
  const { address, token } = callerOf(options);
  const key = createHash("sha256")
    .update(JSON.stringify([placeOf(address), token ?? null]))
    .digest("hex");
  return join(cacheFolder(), `${filePrefix}${key.slice(0, 32)}.json`);
}

function placeOf(address: Caller["address"]): string {
  if (address.kind === "nats") return address.shown;
  const { owner: _owner, token: _token, ...place } = address;
  return formatAddress(place);
}

function cacheFolder(): string {
  const { XDG_CACHE_HOME: cache = "" } = surroundings().env;
  return join(isAbsolute(cache) ? cache : join(homedir(), ".cache"), "iscep");
}

function readKept(file: string): readonly CommandDescription[] | undefined {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || isOld(stats.mtimeMs) || stats.size > defaultLimits.maxCompletionCacheBytes)
    return undefined;
  try {
    return readDescriptions(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined; // half a file, or one of another version: ask the server again
  }
}

function isOld(timeMs: number): boolean {
  const ageMs = Date.now() - timeMs;
  return ageMs < 0 || ageMs > defaultLimits.completionCacheMs;
}

/** Completion also works without a folder for the file, but more slowly. */
function keep(file: string, descriptions: readonly CommandDescription[]): void {
  const text = JSON.stringify(descriptions);
  if (Buffer.byteLength(text) > defaultLimits.maxCompletionCacheBytes) return;
  const folder = cacheFolder();
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (name.startsWith(filePrefix) && isOld(statSync(path).mtimeMs)) rmSync(path, { force: true });
    }
    writeFileAtomically(file, text);
  } catch {
    return;
  }
}
