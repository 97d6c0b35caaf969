/** Makes the findings of `iscep check`, in the order in which `iscep serve` would meet them. */
import type { Command } from "../../model/command.js";
import { Registry } from "../../commands/registry.js";
import { IscepError, isIscepError } from "../../errors.js";
import {
  defaultStateFolder,
  findServerCertificate,
  loadServerCertificate,
  type Certificate,
} from "../../identity/certificates.js";
import { listTokens, type ListedToken } from "../../identity/tokens-writer.js";
import { defaultLimits, resolveLimits } from "../../limits/limits.js";
import type { ListenPlace } from "../../transport/address.js";
import { nearEnd } from "../../server/certificate-end.js";
import { clientAuthorities } from "../../server/client-certificates.js";
import { placesOf } from "../../server/listen-places.js";
import { Server } from "../../server/server.js";
import { certificateFaults } from "./check-certificate.js";
import { checkFolder, checkSocket, isFolder, othersMayReplaceIn } from "./check-files.js";
import { keyOpenToOthers, sourcesOfOthers, tokensOfOthers } from "./file-owners.js";
import { firstLineFaults, programsOfOthers, serverNoticeScripts } from "./program-owners.js";
import { formatService } from "../../nats/address.js";
import { doorsOf, natsSettings, unsignedHooks } from "./doors.js";
import { placed } from "./placed-fault.js";
import { scheduleLines } from "./schedules.js";
import { loadSources, type ServeSettings } from "./sources.js";
import { surroundings } from "../terminal/surroundings.js";

export interface Finding {
  readonly level: "ok" | "warning" | "wrong";
  /** A stable word: `file`, `commands`, `schedule`, `listen`, `certificate`, `tokens`, `logs`, `state`. */
  readonly about: string;
  readonly message: string;
}

/** Codes of faults in what was given, and not in this program. */
const faultCodes: readonly string[] = ["usage", "configuration", "listen_failed", "busy"];

class Findings {
  readonly all: Finding[] = [];
  places: ReadonlyMap<string, string> = new Map();

  add(level: Finding["level"], about: string, message: string): void {
    this.all.push({ level, about, message });
  }

  /** What `look` returns is a good finding, and what it throws is a fault. */
  async examine(about: string, look: () => string | Promise<string>): Promise<boolean> {
    try {
      this.add("ok", about, await look());
      return true;
    } catch (error) {
      if (!isIscepError(error) || !faultCodes.includes(error.code)) throw error;
      const { message, details } = placed(error, this.places) as IscepError;
      const { problems } = details;
      for (const problem of Array.isArray(problems) ? problems : [message]) this.add("wrong", about, String(problem));
      return false;
    }
  }
}

/** @param withFlags adds the options of the command line to the settings of the files */
export async function check(
  names: readonly string[],
  withFlags: (settings: ServeSettings) => ServeSettings,
): Promise<readonly Finding[]> {
  const findings = new Findings();
  const readable: string[] = [];
  for (const name of names) {
    const isGood = await findings.examine(
      "file",
      async () => `${name}: ${countsOf((await loadSources([name])).commands)}`,
    );
    if (isGood) readable.push(name);
  }
  if (readable.length === 0) return findings.all;
  const sources = await loadSources(readable);
  const { commands, settings, places: named } = sources;
  findings.places = named;
  for (const line of sourcesOfOthers(sources)) findings.add("warning", "file", line);
  const { http = false, nats, ...options } = withFlags(settings);
  const places = placesOf(options);
  await findings.examine("commands", () => `${new Registry(commands).list().length} in all`);
  const programs = [...commands, ...serverNoticeScripts(options)];
  for (const line of programsOfOthers(programs)) findings.add("warning", "commands", line);
  for (const { isFatal, sentence } of firstLineFaults(programs))
    findings.add(isFatal ? "wrong" : "warning", "commands", sentence);
  for (const command of commands) {
    if (command.kind === "script") for (const doubt of command.doubts ?? []) findings.add("warning", "commands", doubt);
    await checkFolders(findings, command);
  }
  for (const line of scheduleLines(commands)) findings.add("ok", "schedule", line);
  // It is not known what an unreadable file says of the server, so only what the other files name is looked at.
  if (readable.length < names.length) {
    if (options.tls !== undefined && options.tls !== false) await checkCertificate(findings, options);
    if (options.tokens !== undefined) await checkTokens(findings, options);
    await checkWrittenFolders(findings, options);
    return findings.all;
  }
  await findings.examine("listen", async () => {
    // The constructor opens nothing. It refuses options that contradict each other, or that open what nobody asked for.
    void new Server({ ...options, doors: await doorsOf({ http }) });
    return places.map((place) => placeWords(place, options.tls !== false)).join(", ");
  });
  const httpPlaces = typeof http === "object" ? http.listen : undefined;
  if (http !== false) {
    await findings.examine("http", () => {
      if (httpPlaces === undefined) return "on the same places";
      void new Server({ ...options, listen: httpPlaces });
      return httpPlaces.map((place) => placeWords(place, options.tls !== false)).join(", ");
    });
  }
  if (nats !== undefined) {
    await findings.examine("nats", async () => {
      const { checkAccess, checkNatsSettings } = await import("../../doors/nats/parts/settings.js");
      const { address, service } = checkNatsSettings(natsSettings(nats, options.allowCleartext));
      checkAccess(new Server(options), address);
      return `an instance of ${formatService(address, service)}`;
    });
  }
  for (const line of unsignedHooks(http)) findings.add("warning", "http", line);
  for (const place of [...places, ...(httpPlaces ?? [])])
    if ("unix" in place) await checkUnixPlace(findings, place.unix);
  if (options.tls !== false && places.some((place) => "port" in place)) await checkCertificate(findings, options);
  await checkTokens(findings, options);
  await checkWrittenFolders(findings, options);
  return findings.all;
}

async function checkWrittenFolders(findings: Findings, { logs, stateFolder }: ServeSettings): Promise<void> {
  if (typeof logs === "string") await checkWritable(findings, "logs", logs);
  if (stateFolder !== undefined) await checkWritable(findings, "state", stateFolder);
}

/** Looks at the folders without which each call of the command fails. */
async function checkFolders(findings: Findings, command: Command): Promise<void> {
  const bases = command.paths?.bases ?? [];
  const folders = bases.map(({ argument, base }) => [`the base of argument "${argument}"`, base] as const);
  for (const [what, folder] of [
    ...(command.kind === "script" ? [["the folder", command.folder] as const] : []),
    ...folders,
  ]) {
    if (isFolder(folder)) continue;
    const message = `${what} of command "${command.name}", ${folder}, is no folder; make it, or name another`;
    await findings.examine("commands", () => Promise.reject(new IscepError("configuration", message)));
  }
}

function countsOf(commands: readonly Command[]): string {
  const scripts = commands.filter(({ kind }) => kind === "script").length;
  return `${plural(scripts, "script")}, ${plural(commands.length - scripts, "function")}`;
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function placeWords(place: ListenPlace, tls: boolean): string {
  if ("unix" in place) return `unix:${place.unix}`;
  const host = place.host.includes(":") ? `[${place.host}]` : place.host;
  return `${host}:${place.port} with ${tls ? "TLS" : "cleartext"}`;
}

async function checkUnixPlace(findings: Findings, path: string): Promise<void> {
  const isGood = await findings.examine("listen", () => {
    checkSocket(path);
    return `${path} can be made`;
  });
  if (isGood && othersMayReplaceIn(path))
    findings.add("warning", "listen", `every user may write to the folder of ${path}, and put a socket there instead`);
}

async function checkCertificate(findings: Findings, settings: ServeSettings): Promise<void> {
  const { tls, stateFolder } = settings;
  const authorities = settings.clientCertificates?.ca;
  if (authorities !== undefined)
    await findings.examine(
      "clients",
      () => plural(clientAuthorities(settings)?.length ?? 0, "certificate") + " of authorities",
    );
  if (typeof tls === "object") {
    let certificate: Certificate | undefined;
    const isGood = await findings.examine("certificate", () => {
      certificate = loadServerCertificate(tls);
      return `${tls.cert}: ${certificate.pin}`;
    });
    warnOfEnd(findings, certificate, settings);
    if (certificate !== undefined) await tryCertificate(findings, `the certificate ${tls.cert}`, certificate);
    if (isGood) for (const line of keyOpenToOthers({ tls })) findings.add("warning", "certificate", line);
    return;
  }
  const folder = stateFolder ?? defaultStateFolder(surroundings().env);
  let certificate: Certificate | undefined;
  await findings.examine("certificate", () => {
    certificate = findServerCertificate(folder);
    if (certificate !== undefined) return `in ${folder}: ${certificate.pin}`;
    checkFolder(folder);
    return `will be made in ${folder} at the first start`;
  });
  warnOfEnd(findings, certificate, settings);
}

function warnOfEnd(findings: Findings, certificate: Certificate | undefined, { limits }: ServeSettings): void {
  if (certificate === undefined) return;
  const end = nearEnd(certificate.certPem, resolveLimits(limits));
  if (end !== undefined)
    findings.add("warning", "certificate", `it ends at ${end}; renew it, or make a new one with \`iscep cert\``);
}

async function tryCertificate(findings: Findings, name: string, certificate: Certificate): Promise<void> {
  const { wrong, warnings } = await certificateFaults(name, certificate);
  if (wrong !== undefined) findings.add("wrong", "certificate", wrong);
  for (const warning of warnings) findings.add("warning", "certificate", warning);
}

async function checkTokens(findings: Findings, { tokens, limits: given }: ServeSettings): Promise<void> {
  if (typeof tokens !== "string") {
    const who = tokens === false ? "who can connect" : "on this machine who can connect";
    findings.add("ok", "tokens", `none: everybody ${who} may call`);
    return;
  }
  const limits = resolveLimits(given);
  let listed: readonly ListedToken[] = [];
  const isRead = await findings.examine("tokens", () => {
    listed = listTokens(tokens, { limits });
    const owners = new Set(listed.map(({ owner }) => owner)).size;
    return `${tokens}: ${plural(listed.length, "token")} of ${plural(owners, "owner")}`;
  });
  if (isRead) for (const line of tokensOfOthers({ tokens })) findings.add("warning", "tokens", line);
  const soonMs = Date.now() + limits.tokenWarningDays * 86_400_000;
  const ending = listed.filter(
    ({ disabled, expires }) => !disabled && expires !== null && Date.parse(expires) < soonMs,
  );
  for (const { id, owner, expires, certificate } of ending.slice(0, defaultLimits.maxShownProblems)) {
    const next =
      certificate === null ? "`iscep tokens rotate` makes a new one" : "add its entry again with a later end";
    findings.add("warning", "tokens", `token ${id} of ${JSON.stringify(owner)} ends at ${expires}; ${next}`);
  }
  const more = ending.length - defaultLimits.maxShownProblems;
  if (more > 0) findings.add("warning", "tokens", `and ${more} more end as soon`);
}

async function checkWritable(findings: Findings, about: string, folder: string): Promise<void> {
  await findings.examine(about, () => {
    checkFolder(folder);
    return `${folder} can be written`;
  });
}
