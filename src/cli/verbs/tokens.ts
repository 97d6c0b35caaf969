import { realpathSync } from "node:fs";
import type { Command } from "commander";
import { IscepError } from "../../errors.js";
import { defaultScopes, operatorScopes } from "../../identity/scopes.js";
import type { ListedToken, NewToken } from "../../identity/tokens-writer.js";
import { formatAddress, isLoopbackHost, parseAddress, type Address } from "../../transport/address.js";
import { alignColumns } from "../arguments/table.js";
import { pinOfFile } from "./cert.js";
import { defaultUrl } from "../calling/client-options.js";
import { summarise, type DefineVerb } from "../terminal/invocation.js";
import { collect, durationMs, durationMsOrNever, nonEmpty } from "../arguments/option-values.js";
import { note, print, styled, warn } from "../terminal/streams.js";
import { visibleLine } from "../../text/visible-text.js";
import { surroundings } from "../terminal/surroundings.js";

interface TokensOptions {
  readonly tokensPath?: string;
  readonly json?: boolean;
}

interface AddressOptions extends TokensOptions {
  /** true means the default address. */
  readonly url?: string | true;
  readonly cert?: string;
}

interface AddOptions extends AddressOptions {
  readonly run?: readonly string[];
  readonly operator?: boolean;
  readonly metrics?: boolean;
  /** False with --no-discover. */
  readonly discover: boolean;
  readonly expires?: number;
  readonly certificate?: string;
}

interface RotateOptions extends AddressOptions {
  readonly expires?: number;
  readonly overlap?: number;
}

export const define: DefineVerb = (command) => {
  command.usage("VERB [options]").enablePositionalOptions().helpCommand(false).commandsGroup("Verbs:");
  addTokensPath(command);

  addressOptions(subVerb(command, "add", "make a token for an owner, and print it, which happens only this once"))
    .argument("<owner>", "name of the person or program that gets it")
    .option(
      "--run <pattern>",
      "allow only commands with such names, like backup_*, or with such values: 'backup_world(world=nether*)'; may be repeated",
      collect,
    )
    .option("--operator", "see, follow and cancel the runs of every owner; run commands only with --run")
    .option("--metrics", "read the metrics of the server, as --operator may too; run commands only with --run")
    .option("--no-discover", "the token may not list the commands")
    .option(
      "--certificate <file>",
      "a client certificate instead of a token: its file, its pin (sha256:…), or cn:NAME where the server trusts an authority",
      nonEmpty,
    )
    .option("--expires <duration>", "90d, 12h, or never", durationMsOrNever)
    .action(async (owner: string, _: AddOptions, self: Command) => {
      const options: AddOptions = self.optsWithGlobals();
      if (options.certificate !== undefined) {
        await addCertificateEntry(owner, options.certificate, options);
        return;
      }
      const target = await addressOf(options);
      const { addToken } = await import("../../identity/tokens-writer.js");
      const made = await addToken(tokensPath(options), { owner, ...scopesOf(options), ...lifetimeOf(options) });
      await printToken(made, owner, target, options);
    });

  subVerb(command, "remove", "remove the tokens of an owner, or the one with an id; a running server notices at once")
    .argument("<owner>", "owner, or id of a token")
    .action(async (ownerOrId: string, _: TokensOptions, self: Command) => {
      const options: TokensOptions = self.optsWithGlobals();
      const { removeToken } = await import("../../identity/tokens-writer.js");
      const removed = await removeToken(tokensPath(options), ownerOrId);
      if (options.json === true) await print(`${JSON.stringify(removed)}\n`);
      else await note(`removed ${count(removed.ids.length, "token")} of ${removed.owner}`);
    });

  subVerb(command, "list", "show owners, ids, rights and expiry of the tokens, and never a secret")
    .argument("[owner]", "only this owner's")
    .action(async (owner: string | undefined, _: TokensOptions, self: Command) => {
      const options: TokensOptions = self.optsWithGlobals();
      const { listTokens, unknownOwner } = await import("../../identity/tokens-writer.js");
      const tokens = listTokens(tokensPath(options)).filter((token) => owner === undefined || token.owner === owner);
      if (owner !== undefined && tokens.length === 0) throw unknownOwner(owner);
      if (options.json === true) await print(`${JSON.stringify(tokens)}\n`);
      else if (tokens.length === 0) await note("there are no tokens");
      else await print(tokensTable(tokens));
    });

  subVerb(command, "explain", "tell what an owner may do, and why; with COMMAND, whether they may run it")
    .argument("<owner>", "name of the owner")
    .argument("[command]", "name of a command")
    .action(async (owner: string, name: string | undefined, _: TokensOptions, self: Command) => {
      const options: TokensOptions = self.optsWithGlobals();
      const { listTokens, unknownOwner } = await import("../../identity/tokens-writer.js");
      const { explainTokens, explanationText } = await import("../arguments/token-explanation.js");
      const tokens = listTokens(tokensPath(options)).filter((token) => token.owner === owner);
      if (tokens.length === 0) throw unknownOwner(owner);
      const explained = explainTokens(tokens, name, Date.now());
      await print(options.json === true ? `${JSON.stringify(explained)}\n` : explanationText(explained, owner, name));
    });

  addressOptions(subVerb(command, "rotate", "replace the token of an owner by a new one, and print it"))
    .argument("<owner>", "owner, or id of a token")
    .option("--expires <duration>", "90d, 12h, or never (default: as the old one)", durationMsOrNever)
    .option("--overlap <duration>", "how long the old token stays valid (default: not at all)", durationMs)
    .action(async (ownerOrId: string, _: RotateOptions, self: Command) => {
      const options: RotateOptions = self.optsWithGlobals();
      const target = await addressOf(options);
      const path = tokensPath(options);
      const { listTokens, rotateToken } = await import("../../identity/tokens-writer.js");
      const made = await rotateToken(path, ownerOrId, {
        ...lifetimeOf(options),
        ...(options.overlap === undefined ? {} : { overlapMs: options.overlap }),
      });
      const owner = listTokens(path).find(({ id }) => id === made.record.id)?.owner ?? ownerOrId;
      await printToken(made, owner, target, options);
    });

  subVerb(command, "import", "import the tokens of a file of the original, and keep no token in clear")
    .argument("[file]", "the other file (default: the tokens file itself)")
    .action(async (file: string | undefined, _: TokensOptions, self: Command) => {
      const options: TokensOptions = self.optsWithGlobals();
      const path = tokensPath(options);
      const { importTokens } = await import("../../identity/tokens-import.js");
      const result = await importTokens(path, file ?? path);
      if (options.json === true) await print(`${JSON.stringify(result)}\n`);
      else await note(`imported ${count(result.imported, "token")} into ${path}; they work as before`);
      if (result.copy !== undefined)
        await warn(
          `the original program cannot read ${path} any more; ${result.copy} is a copy for it, with the tokens in clear. Delete it when it is not needed`,
        );
      if (file !== undefined && realpathSync(file) !== realpathSync(path))
        await warn(`${file} still holds them in clear; delete it`);
    });
};

async function addCertificateEntry(owner: string, certificate: string, options: AddOptions): Promise<void> {
  if (options.url !== undefined || options.cert !== undefined)
    throw new IscepError("usage", "--url and --cert make an address with a token in it, and a certificate has none");
  const { addCertificate } = await import("../../identity/certificate-writer.js");
  const terms = { owner, certificate, ...scopesOf(options), ...lifetimeOf(options) };
  const { id, scopes, expires = null, certificate: name } = await addCertificate(tokensPath(options), terms);
  if (options.json === true) await print(`${JSON.stringify({ owner, id, certificate: name, scopes, expires })}\n`);
  else await note(`${owner} may call with the certificate ${name} (${id}), ${expiryOf(expires)}`);
}

function subVerb(command: Command, name: string, summary: string): Command {
  const sub = summarise(command.command(name), summary);
  addTokensPath(sub);
  return sub.option("--json", "print one JSON value, and nothing else, on standard output");
}

function addTokensPath(command: Command): void {
  command.option("--tokens-path <file>", 'the tokens file (ISCEP_TOKENS_FILE; default: "tokens.json")', nonEmpty);
}

function addressOptions(command: Command): Command {
  return command
    .option(
      "--url [address]",
      `print address, pin and token in one, for ISCEP_URL (default address: ${defaultUrl})`,
      nonEmpty,
    )
    .option("--cert <file>", "certificate of the server, for the pin in the address", nonEmpty);
}

function tokensPath(options: TokensOptions): string {
  return options.tokensPath ?? (surroundings().env["ISCEP_TOKENS_FILE"] || "tokens.json");
}

function scopesOf({ run, operator, metrics, discover }: AddOptions): { scopes: readonly string[] } {
  const usual = run !== undefined ? ["discover"] : metrics === true ? [] : defaultScopes;
  const scopes = [...(operator === true ? operatorScopes : usual)];
  if (metrics === true) scopes.push("metrics");
  if (run !== undefined) scopes.push(...run.map(runScope));
  return { scopes: discover ? scopes : scopes.filter((scope) => scope !== "discover") };
}

/** Accepts the form that `tokens list` shows too. Otherwise it would be a pattern for names that begin with `run:`. */
function runScope(pattern: string): string {
  return pattern.startsWith("run:") ? pattern : `run:${pattern}`;
}

function lifetimeOf({ expires }: { readonly expires?: number }): { expiresInMs?: number | null } {
  return expires === undefined ? {} : { expiresInMs: Number.isFinite(expires) ? expires : null };
}

/** The address is checked before a token is made, because the token is shown only once. */
async function addressOf({ url, cert }: AddressOptions): Promise<Address | undefined> {
  if (url === undefined) {
    if (cert !== undefined)
      throw new IscepError("usage", "--cert gives the pin for the address of --url, which is missing");
    return undefined;
  }
  const address = parseAddress(url === true ? defaultUrl : url);
  if (address.kind !== "tls") {
    if (cert !== undefined) throw new IscepError("usage", "an address without TLS has no pin; leave out --cert");
    return address;
  }
  if (cert !== undefined) return { ...address, pin: await pinOfFile(cert) };
  if (address.pin !== undefined) return address;
  if (isLoopbackHost(address.host)) {
    // Even without the pin, a client of the same user would know the server. Other users of this machine would not.
    const { ownServerPin } = await import("../calling/own-server-pin.js");
    const own = ownServerPin();
    if (own !== undefined) return { ...address, pin: own.pin };
  }
  await warn(
    "the address has no pin; give --cert FILE with the server's certificate (cert.pem, where `iscep init` made it), or " +
      "the address as `iscep serve` prints it, unless an authority has signed the certificate",
  );
  return address;
}

async function printToken(
  { token, record }: NewToken,
  owner: string,
  target: Address | undefined,
  options: TokensOptions,
): Promise<void> {
  const url = target === undefined ? undefined : formatAddress({ ...target, owner, token });
  if (options.json === true) {
    const { id, scopes, expires = null } = record;
    await print(`${JSON.stringify({ owner, id, token, scopes, expires, ...(url === undefined ? {} : { url }) })}\n`);
    return;
  }
  await note(`token ${record.id} of ${owner}, ${expiryOf(record.expires ?? null)}; it is shown this once:`);
  await print(`${url ?? token}\n`);
}

function expiryOf(expires: string | null): string {
  return expires === null ? "without an end" : `valid until ${expires.slice(0, 10)}`;
}

function tokensTable(tokens: readonly ListedToken[]): string {
  const hasCertificates = tokens.some(({ certificate }) => certificate !== null);
  const head = ["OWNER", "ID", "MAY", "EXPIRES", "STATE", ...(hasCertificates ? ["BY"] : [])];
  const rows = tokens.map((token) => [
    visibleLine(token.owner),
    token.id ?? "-",
    token.scopes.map(visibleLine).join(" "),
    token.expires?.slice(0, 10) ?? "never",
    stateOf(token),
    ...(hasCertificates ? [token.certificate === null ? "token" : visibleLine(token.certificate)] : []),
  ]);
  const [header = "", ...lines] = alignColumns([head, ...rows]);
  return `${[styled(surroundings().stdout, "bold", header), ...lines].join("\n")}\n`;
}

function stateOf({ clear, disabled, notBefore, expires }: ListedToken): string {
  if (disabled) return "disabled";
  if (notBefore !== null && Date.parse(notBefore) > Date.now()) return "not yet";
  if (expires !== null && Date.parse(expires) <= Date.now()) return "expired";
  return clear ? "in clear; import hides it" : "ok";
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}
