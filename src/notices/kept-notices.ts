/**
 * Notices that are not given yet, as files of the runs folder, so that a server that is started again gives them. A
 * script's file is removed before the script starts, because nobody could know later how far it came. The file of a
 * request is removed when the request has arrived: its receiver knows it again by its id.
 */
import { readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { systemCodeOf } from "../files/system-code.js";
import { IscepError } from "../errors.js";
import { temporaryPathOf } from "../files/atomic-file.js";
import { ownProcessMark } from "../files/process-mark.js";
import { isShortage } from "../files/shortage.js";
import { isJsonObject } from "../wire/json.js";
import { isOutcomeStatus } from "../model/outcome.js";
import type { RunFacts } from "./facts.js";

export interface KeptNotice {
  readonly id: string;
  /** The key of the notice in the definition. */
  readonly key: string;
  readonly facts: RunFacts;
}

const suffix = ".notice";

export class KeptNotices {
  readonly #folder: string;
  readonly #onProblem: (message: string, error: unknown) => void;

  constructor(folder: string, onProblem: (message: string, error: unknown) => void) {
    this.#folder = folder;
    this.#onProblem = onProblem;
  }

  #path(id: string): string {
    return join(this.#folder, id + suffix);
  }

  /** Returns false when it could not be kept. */
  keep(notice: KeptNotice): boolean {
    const path = this.#path(notice.id);
    const temporary = temporaryPathOf(path);
    try {
      // After a power cut the file may be gone. To wait for the disk would hold up everybody.
      writeFileSync(temporary, JSON.stringify({ ...notice, server: ownProcessMark() }), { mode: 0o600 });
      renameSync(temporary, path);
      return true;
    } catch (error) {
      this.#onProblem(`a notice cannot be kept in ${this.#folder}, and a restart would lose it`, error);
      this.#remove(temporary);
      return false;
    }
  }

  /** Claims a kept notice. Returns false when another server was first: of all that try, only one gets true. */
  claim(id: string): boolean {
    try {
      unlinkSync(this.#path(id));
      return true;
    } catch (error) {
      const code = systemCodeOf(error);
      return code !== undefined && code !== "ENOENT";
    }
  }

  remove(id: string): void {
    this.#remove(this.#path(id));
  }

  /** A folder that fails must neither hold up the end of a run, nor send a notice again that has arrived. */
  #remove(path: string): void {
    try {
      rmSync(path, { force: true });
    } catch (error) {
      this.#onProblem(`${path} cannot be removed`, error);
    }
  }

  /**
   * Takes the notices of servers that are gone, and removes their files. Each is to be kept anew before the next is asked
   * for, so that a server that is killed meanwhile loses one at most.
   */
  *takeOver(isGone: (server: string) => boolean): Generator<KeptNotice, void, undefined> {
    for (const name of readdirSync(this.#folder)) {
      if (!name.endsWith(suffix)) continue;
      const id = name.slice(0, -suffix.length);
      const found = this.#read(id);
      if (found === undefined || !isGone(found.server) || !this.claim(id)) continue;
      const { key, facts } = found;
      yield { id, key, facts };
    }
  }

  /** Whether there are any, of this server or of others. */
  async areThere(): Promise<boolean> {
    return (await readdir(this.#folder)).some((name) => name.endsWith(suffix));
  }

  #read(id: string): (KeptNotice & { readonly server: string }) | undefined {
    try {
      const parsed: unknown = JSON.parse(readFileSync(this.#path(id), "utf8"));
      const { key, facts, server } = isJsonObject(parsed) ? parsed : {};
      if (typeof key === "string" && typeof server === "string" && isFacts(facts)) return { id, key, facts, server };
      throw new IscepError("internal", "it is not the file of a notice");
    } catch (error) {
      // Another server may have given the notice meanwhile.
      if (systemCodeOf(error) === "ENOENT") return undefined;
      if (isShortage(error)) return undefined; // it is there at the next look
      this.#onProblem(`the notice ${this.#path(id)} cannot be read, and is removed`, error);
      this.remove(id);
      return undefined;
    }
  }
}

function isFacts(facts: unknown): facts is RunFacts & Record<string, unknown> {
  if (!isJsonObject(facts)) return false;
  const { run, command, owner, status, startedAtMs, endedAtMs, durationMs, outputBytes, stderr } = facts;
  const numbers = [startedAtMs, endedAtMs, durationMs, outputBytes];
  const texts = [run, command, owner, stderr];
  return (
    isOutcomeStatus(status) &&
    texts.every((text) => typeof text === "string") &&
    numbers.every((number) => typeof number === "number")
  );
}
