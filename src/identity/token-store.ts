/** Keeps the tokens of the tokens file in memory for the server, and reads the file again when it has changed. */
import { createHash, timingSafeEqual } from "node:crypto";
import { realpathSync, statSync, watch, type BigIntStats, type FSWatcher } from "node:fs";
import { dirname, resolve } from "node:path";
import { systemCodeOf } from "../files/system-code.js";
import { toIscepError, type IscepError } from "../errors.js";
import type { Limits } from "../limits/limits.js";
import type { ClientCertificate, Identity, ProvableToken, TokensAuthenticator } from "../model/identity.js";
import { counts, indexTokens, type KnownToken, type KnownTokens } from "./known-tokens.js";
import { hasLoneSurrogate, parseTokensFile } from "./tokens-file.js";
import { readTokensText } from "./tokens-reader.js";
import { clientKey, parseToken, quoteUnlessToken, storedKeyOf } from "./tokens.js";

export interface TokenStoreOptions {
  readonly limits: Pick<
    Limits,
    "maxTokensFileBytes" | "tokensFileCheckMs" | "tokenWarningDays" | "tokenWarningIntervalMs"
  >;
  /**
   * Called once for each change after which the file cannot be used (the earlier tokens stay valid), and once for a
   * token that expires soon.
   */
  onProblem(message: string, error?: IscepError): void;
  /** Called when the tokens have changed. */
  onReload?(): void;
}

/**
 * @throws IscepError `configuration` when the file is missing or wrong, is open to others, or belongs to another user:
 *   a server that must ask for tokens never starts without them
 */
export function openTokenStore(path: string, options: TokenStoreOptions): TokensAuthenticator {
  return new TokenStore(path, options);
}

class TokenStore implements TokensAuthenticator {
  readonly needsToken = true;
  readonly #path: string;
  readonly #options: TokenStoreOptions;
  #tokens: KnownTokens;
  #generation = 1;
  /** The state of the file when it was last read. */
  #seen: string;
  /** The file had changed so shortly before it was read that another change may have left the same date. */
  #unsettled: boolean;
  #digest: string;
  #problem: string | undefined;
  #mayHaveChanged = false;
  #checkedAtMs: number;
  readonly #warned = new Set<string>();
  #watchers: FSWatcher[] = [];
  readonly #warning: NodeJS.Timeout;
  /** Which token an identity came from, also after the file was read again. */
  readonly #origins = new WeakMap<Identity, KnownToken>();

  constructor(path: string, options: TokenStoreOptions) {
    this.#path = resolve(path); // the process may change its folder
    this.#options = options;
    this.#watch(); // before the reading, or a change between the two would be missed for a while
    try {
      const { tokens, digest, stats } = this.#read();
      this.#tokens = tokens;
      this.#digest = digest;
      this.#seen = signatureOf(stats);
      this.#unsettled = this.#isRecent(stats);
    } catch (error) {
      this.#closeWatchers();
      throw error;
    }
    this.#checkedAtMs = performance.now();
    this.#warn();
    // Otherwise a server whose file stays the same would never tell of a token that had a long time left at first.
    this.#warning = setInterval(() => {
      this.currentGeneration(); // a server without callers has not read a changed file yet
      this.#warn();
    }, options.limits.tokenWarningIntervalMs).unref();
  }

  currentGeneration(): number {
    const nowMs = performance.now();
    if (this.#mayHaveChanged || nowMs - this.#checkedAtMs >= this.#options.limits.tokensFileCheckMs) {
      this.#mayHaveChanged = false;
      this.#checkedAtMs = nowMs;
      this.#check();
    }
    return this.#generation;
  }

  verify(token: string, source?: string): Identity | undefined {
    this.currentGeneration();
    // HMAC fills its key up with zeros. So a token with NULs at its end would count like the token without them.
    if (token === "" || token.endsWith("\0") || hasLoneSurrogate(token)) return undefined;
    const parsed = parseToken(token);
    const known = parsed === undefined ? undefined : this.#tokens.byId.get(parsed.id);
    const storedKey = storedKeyOf(clientKey(parsed?.secret ?? token));
    const candidates = known === undefined ? (this.#tokens.byKey.get(storedKey.toString("hex")) ?? []) : [known];
    const nowMs = Date.now();
    return this.#given(
      candidates.find(
        (candidate) => timingSafeEqual(candidate.storedKey, storedKey) && counts(candidate, nowMs, source),
      ),
    )?.identity;
  }

  find(reference: string, source?: string): ProvableToken | undefined {
    this.currentGeneration();
    const nowMs = Date.now();
    return this.#given(this.#tokens.byReference.get(reference)?.find((candidate) => counts(candidate, nowMs, source)));
  }

  #given(known: KnownToken | undefined): KnownToken | undefined {
    if (known !== undefined) this.#origins.set(known.identity, known);
    return known;
  }

  refusal(): undefined {
    return undefined;
  }

  findCertificate({ names, validFromMs, validToMs }: ClientCertificate, source?: string): Identity | undefined {
    this.currentGeneration();
    const nowMs = Date.now();
    if (nowMs < validFromMs || nowMs >= validToMs) return undefined;
    for (const name of names) {
      const known = this.#tokens.byCertificate.get(name);
      if (known === undefined || !counts(known, nowMs, source)) continue;
      return Object.freeze({ ...known.identity, expiresAtMs: Math.min(known.identity.expiresAtMs, validToMs) });
    }
    return undefined;
  }

  refresh(identity: Identity, source?: string): Identity | undefined {
    const origin = this.#origins.get(identity);
    if (origin === undefined) return undefined;
    this.currentGeneration();
    const nowMs = Date.now();
    const isSame = (known: KnownToken): boolean =>
      known.identity.owner === identity.owner && counts(known, nowMs, source);
    return this.#given(this.#tokens.byReference.get(origin.reference)?.find(isSame))?.identity;
  }

  close(): void {
    clearInterval(this.#warning);
    this.#closeWatchers();
  }

  #closeWatchers(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  /**
   * Watches the folder, because a file that is replaced by rename takes its own watch with it, and the folder that a
   * symbolic link leads to. Any event there may mean this file, and a look costs microseconds.
   */
  #watch(): void {
    const failed = (error: unknown): void => {
      this.#closeWatchers();
      this.#options.onProblem(
        `the system does not report changes of tokens file ${this.#path}; it is looked at every ${this.#options.limits.tokensFileCheckMs} ms`,
        toIscepError(error),
      );
    };
    try {
      for (const folder of new Set([dirname(this.#path), dirname(realpathSync(this.#path))])) {
        const watcher = watch(folder, { persistent: false }, () => {
          this.#mayHaveChanged = true;
        });
        watcher.on("error", failed);
        this.#watchers.push(watcher);
      }
    } catch (error) {
      const missing = systemCodeOf(error) === "ENOENT";
      if (!missing) failed(error); // the reading reports a file that is missing
    }
  }

  #check(): void {
    let seen = "missing";
    try {
      const stats = statSync(this.#path, { bigint: true });
      seen = signatureOf(stats);
      if (seen === this.#seen && !this.#unsettled) return;
      this.#unsettled = this.#isRecent(stats);
      this.#seen = seen;
      const { tokens, digest } = this.#read();
      this.#problem = undefined;
      if (digest === this.#digest) return;
      this.#digest = digest;
      this.#tokens = tokens;
    } catch (thrown) {
      this.#seen = seen;
      // The reading may have failed for a reason that passes, such as no free file descriptor. So each look reads again
      // until a reading succeeds. Otherwise a token that was removed meanwhile would stay valid.
      this.#unsettled = true;
      const error = toIscepError(thrown, "configuration", `tokens file ${this.#path}: `);
      const problem = `${seen} ${error.message}`;
      if (problem === this.#problem) return;
      this.#problem = problem;
      this.#options.onProblem(
        `${error.message}; until that is mended the tokens that were read before go on counting`,
        error,
      );
      return;
    }
    this.#generation++;
    this.#options.onReload?.();
    this.#warn();
  }

  #read(): { tokens: KnownTokens; digest: string; stats: BigIntStats } {
    const { text, stats } = readTokensText(this.#path, this.#options.limits);
    const file = parseTokensFile(text, this.#path);
    return { tokens: indexTokens(file), digest: createHash("sha256").update(text).digest("hex"), stats };
  }

  /** Dates of files come from a clock that ticks only every few milliseconds. */
  #isRecent(stats: BigIntStats): boolean {
    return Date.now() - Number(stats.ctimeMs) < this.#options.limits.tokensFileCheckMs;
  }

  #warn(): void {
    const nowMs = Date.now();
    const { byReference, byCertificate } = this.#tokens;
    for (const { kind, identity, disabled } of [...byCertificate.values(), ...[...byReference.values()].flat()]) {
      const { owner, tokenId: id, expiresAtMs } = identity;
      const soon = expiresAtMs > nowMs && expiresAtMs - nowMs < this.#options.limits.tokenWarningDays * 86_400_000;
      if (id === null || disabled || !soon || this.#warned.has(id)) continue;
      this.#warned.add(id);
      const day = new Date(expiresAtMs).toISOString();
      this.#options.onProblem(
        kind === "certificate"
          ? `certificate ${id} of ${quoteUnlessToken(owner)} counts until ${day}; remove it, and add it again with \`iscep tokens add\``
          : `token ${id} of ${quoteUnlessToken(owner)} expires at ${day}; \`iscep tokens rotate\` makes a new one`,
      );
    }
  }
}

function signatureOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(" ");
}
