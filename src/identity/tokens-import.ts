/** Imports the tokens of the original. */
import { readFileSync } from "node:fs";
import { IscepError } from "../errors.js";
import { createFileExclusively } from "../files/atomic-file.js";
import { defaultLimits } from "../limits/limits.js";
import { defaultScopes } from "./scopes.js";
import { changeTokensFile, tokensPlace } from "./tokens-change.js";
import { readTokensText } from "./tokens-reader.js";
import type { WriterOptions } from "./tokens-writer.js";
import {
  isCertificateRecord,
  parseTokensFile,
  recordOf,
  type CertificateRecord,
  type TokenEntry,
  type TokenRecord,
  type TokensFile,
} from "./tokens-file.js";

export interface ImportedTokens {
  readonly imported: number;
  /** The file as it was, when it was imported into itself. The original can read this copy, but no longer the other file. */
  readonly copy?: string;
}

/**
 * Imports the tokens of another file (the original's, or this file itself) as records. They stay valid and never
 * expire, and nobody can compute them from this file.
 * @returns how many were added, or replaced because they were here in clear
 * @throws IscepError `configuration`, `busy`
 */
export async function importTokens(
  path: string,
  originalFile: string,
  { limits = defaultLimits }: WriterOptions = {},
): Promise<ImportedTokens> {
  const copy = tokensPlace(path) === tokensPlace(originalFile) ? `${path}.original` : undefined;
  const readOriginal = (): TokensFile => parseTokensFile(readTokensText(originalFile, limits).text, originalFile);
  readOriginal(); // read it before a file is made for nothing
  const hasCopy = copy !== undefined && hasTokensInClear(readOriginal()) && keepCopy(originalFile, copy);
  return changeTokensFile(path, limits, true, (owners) => {
    let imported = 0;
    const taken = new Set([...owners.values()].flat().flatMap(namesOf));
    for (const [owner, entries] of readOriginal()) {
      for (const entry of entries) {
        const here = owners.get(owner) ?? [];
        const record = typeof entry === "string" ? imports(entry) : entry;
        const known = here.some((other) => isSame(other, record));
        const rest = here.filter((other) => typeof other === "string" && !isSame(imports(other), record));
        const records = here.filter((other) => typeof other !== "string");
        if (known && rest.length + records.length === here.length) continue;
        const twice = known ? undefined : namesOf(record).find((name) => taken.has(name));
        if (twice !== undefined) {
          throw new IscepError(
            "configuration",
            `tokens file ${originalFile}: its token id ${twice} is taken in ${path}`,
          );
        }
        owners.set(owner, [...rest, ...records, ...(known ? [] : [record])]);
        for (const name of namesOf(record)) taken.add(name);
        imported++;
      }
    }
    return { imported, ...(hasCopy ? { copy } : {}) };
  });
}

function hasTokensInClear(file: TokensFile): boolean {
  return [...file.values()].flat().some((entry) => typeof entry === "string");
}

/** The first copy has the tokens as the original wrote them. A later one would not. */
function keepCopy(file: string, copy: string): boolean {
  try {
    return createFileExclusively(copy, readFileSync(file, "utf8"));
  } catch (cause) {
    throw new IscepError("configuration", `a copy of ${file} cannot be written to ${copy}, so nothing was imported`, {
      cause,
    });
  }
}

function imports(token: string): TokenRecord {
  return recordOf(token, { scopes: defaultScopes, createdMs: Date.now(), expiresAtMs: null });
}

/** The names that no two entries of a file may share. */
function namesOf(entry: TokenEntry): string[] {
  if (typeof entry === "string") return [];
  return isCertificateRecord(entry) ? [entry.id, entry.certificate] : [entry.id];
}

/** True for two records of one token or one certificate, whatever else they say. */
function isSame(one: TokenEntry, other: TokenRecord | CertificateRecord): boolean {
  if (typeof one === "string") return false;
  if (isCertificateRecord(one)) return isCertificateRecord(other) && one.certificate === other.certificate;
  return !isCertificateRecord(other) && one.storedKey === other.storedKey;
}
