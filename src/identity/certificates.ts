/** Makes certificates and keys of servers, keeps them in a folder, loads them, and computes their pins. */
import { X509Certificate, createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { createSecureContext, type SecureVersion } from "node:tls";
import { systemCodeOf } from "../files/system-code.js";
import { IscepError, isIscepError, textOfThrown } from "../errors.js";
import { defaultLimits } from "../limits/limits.js";
import { staleTemporaryFiles, syncFolderOf, writeTemporaryFile } from "../files/atomic-file.js";
import { withFileLock } from "../files/file-lock.js";
import { createSelfSigned, type CertificateOptions } from "./self-signed.js";

/** This holds for both sides. Peers of version 1 negotiate 1.2 or 1.3, depending on their Python. */
export const minTlsVersion: SecureVersion = "TLSv1.2";

export interface Certificate {
  readonly certPem: string;
  readonly keyPem: string;
  readonly pin: string;
}

/**
 * Makes a self-signed certificate. The key is new, EC P-256 (PKCS8), unless the options give one.
 * @throws IscepError `usage` for hosts that are not valid, and days out of range
 */
export async function createCertificate(options: CertificateOptions = {}): Promise<Certificate> {
  const made = await createSelfSigned(options);
  return { ...made, pin: pinOfCertificate(made.certPem) };
}

/**
 * The pin of a certificate: `sha256:` and the base64url SHA-256 of the public key (SPKI, DER). It stays the same when a
 * certificate is renewed with its key. When the PEM text has several certificates, the first one counts.
 */
export function pinOfCertificate(certificate: string | Uint8Array | X509Certificate): string {
  const { publicKey } = certificate instanceof X509Certificate ? certificate : new X509Certificate(certificate);
  return pinOfKey(publicKey);
}

/** The pin of certificates for this private key. @throws IscepError `configuration` when it is not a key in PEM form */
export function pinOfPrivateKey(keyPem: string, name: string): string {
  return pinOfKey(createPublicKey(parseKey(keyPem, name)));
}

function pinOfKey(publicKey: KeyObject): string {
  return `sha256:${createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64url")}`;
}

/**
 * @param files each is PEM text or the path of a PEM file; a chain has the server's own certificate first
 * @throws IscepError `configuration` when one is missing, unreadable or expired, or they do not belong together
 */
export function loadServerCertificate(files: { readonly cert: string; readonly key: string }): Certificate {
  const faults: IscepError[] = [];
  const attempt = <Value>(read: () => Value): Value | undefined => {
    try {
      return read();
    } catch (error) {
      if (!isIscepError(error)) throw error;
      faults.push(error);
      return undefined;
    }
  };
  const certName = nameOf(files.cert, "certificate");
  const keyName = nameOf(files.key, "key");
  const certPem = attempt(() => readPem(files.cert, "certificate"));
  const keyPem = attempt(() => readPem(files.key, "key"));
  const certificate = certPem === undefined ? undefined : attempt(() => parseCertificate(certPem, certName));
  const key = keyPem === undefined ? undefined : attempt(() => parseKey(keyPem, keyName));
  if (certificate !== undefined) attempt(() => checkDates(certificate, certName));
  if (certPem !== undefined && keyPem !== undefined && certificate !== undefined && key !== undefined) {
    attempt(() => checkPair({ certPem, keyPem, certificate, key, certName, keyName }));
    if (faults.length === 0) return { certPem, keyPem, pin: pinOfCertificate(certificate) };
  }
  throw together(faults);
}

/** All certificates of PEM text, in its order. @throws IscepError `configuration` for one that cannot be read */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block, index) => parseCertificate(block, `certificate ${index + 1} of the file`));
}

function checkDates({ validFrom, validTo }: X509Certificate, name: string): void {
  const nowMs = Date.now();
  if (nowMs > Date.parse(validTo))
    throw wrong(`${name} expired on ${validTo}; renew it, or make a new one with \`iscep cert\``);
  if (nowMs < Date.parse(validFrom))
    throw wrong(`${name} only counts from ${validFrom} on; is this machine's clock right?`);
}

interface Pair {
  readonly certPem: string;
  readonly keyPem: string;
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
  readonly certName: string;
  readonly keyName: string;
}

function checkPair({ certPem, keyPem, certificate, key, certName, keyName }: Pair): void {
  if (!certificate.checkPrivateKey(key)) {
    const place = certificatesIn(certPem).findIndex((other) => other.checkPrivateKey(key)) + 1;
    const advice = place === 0 ? "" : `; number ${place} in the file does belong to this key, so put it first`;
    throw wrong(`${certName} and ${keyName} do not belong together${advice}`);
  }
  try {
    createSecureContext({ cert: certPem, key: keyPem, minVersion: minTlsVersion });
  } catch (error) {
    throw wrong(
      `OpenSSL does not accept ${certName} (its key may be too short); make a new one with \`iscep cert\``,
      error,
    );
  }
}

/** One fault stays as it is. Several have a line each, and `details.problems` has them one by one. */
function together(faults: readonly IscepError[]): IscepError {
  const [first] = faults;
  if (first !== undefined && faults.length === 1) return first;
  const problems = faults.map(({ message }) => message);
  return new IscepError("configuration", problems.join("\n"), { cause: first, details: { problems } });
}

/**
 * The certificate of the server that keeps its state in this folder: `server-cert.pem` and `server-key.pem`. Both are
 * made when neither is there. Several servers may start at once and get the same ones.
 * @throws IscepError `configuration` when one is there without the other, or is open to others, unreadable or expired;
 *   `busy` when it is locked for too long
 */
export async function ensureServerCertificate(folder: string): Promise<Certificate & { readonly created: boolean }> {
  const files = { cert: join(folder, "server-cert.pem"), key: join(folder, "server-key.pem") };
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const created = exists(files.cert) && exists(files.key) ? false : await make(join(folder, "server"), files);
    checkKeyAccess(files.key);
    return { ...loadServerCertificate(files), created };
  } catch (error) {
    if (isIscepError(error)) throw error;
    throw wrong(`the folder for the server's key and certificate, ${folder}, cannot be used`, error);
  }
}

/**
 * The certificate that `ensureServerCertificate` would take; undefined when it would make one.
 * @throws IscepError `configuration`
 */
export function findServerCertificate(folder: string): Certificate | undefined {
  const files = { cert: join(folder, "server-cert.pem"), key: join(folder, "server-key.pem") };
  const [there, gone] = exists(files.cert) ? [files.cert, files.key] : [files.key, files.cert];
  if (!exists(there)) return undefined;
  if (!exists(gone)) throw halfPair(there, gone);
  checkKeyAccess(files.key);
  return loadServerCertificate(files);
}

/** ISCEP_STATE_DIR; else iscep in XDG_STATE_HOME; else ~/.local/state/iscep. */
export function defaultStateFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { ISCEP_STATE_DIR: own = "", XDG_STATE_HOME: xdg = "" } = environment;
  if (own !== "") return resolve(own);
  return join(isAbsolute(xdg) ? xdg : join(homeFolder(), ".local", "state"), "iscep"); // the XDG specification ignores relative paths
}

function homeFolder(): string {
  try {
    return homedir();
  } catch (cause) {
    // The user may be only a number, as in containers.
    throw new IscepError(
      "configuration",
      "this user has no home folder where the server could keep its key; set ISCEP_STATE_DIR to a folder that stays",
      { cause },
    );
  }
}

/** Returns false when another process was faster. */
async function make(base: string, files: { readonly cert: string; readonly key: string }): Promise<boolean> {
  return withFileLock(base, defaultLimits.fileLockTimeoutMs, async () => {
    if (exists(files.key) && !exists(files.cert)) finishInterrupted(files);
    for (const left of [files.cert, files.key].flatMap(staleTemporaryFiles)) rmSync(left, { force: true });
    if (exists(files.cert) && exists(files.key)) return false;
    const [there, gone] = exists(files.cert) ? [files.cert, files.key] : [files.key, files.cert];
    if (exists(there)) throw halfPair(there, gone);
    const { certPem, keyPem } = await createCertificate();
    // Both files are on the disk before either gets its name, so that the time between the two renames is as short as
    // possible.
    const key = writeTemporaryFile(files.key, keyPem);
    const cert = writeTemporaryFile(files.cert, certPem);
    renameSync(key, files.key);
    renameSync(cert, files.cert);
    syncFolderOf(files.cert);
    return true;
  });
}

/** When a process ended between the two renames, it left the certificate under its temporary name. */
function finishInterrupted(files: { readonly cert: string; readonly key: string }): void {
  for (const left of staleTemporaryFiles(files.cert)) {
    const certPem = readFileSync(left, "utf8");
    if (!certPem.endsWith("-----END CERTIFICATE-----\n")) continue;
    if (!new X509Certificate(certPem).checkPrivateKey(createPrivateKey(readFileSync(files.key)))) continue;
    renameSync(left, files.cert);
    return;
  }
}

function halfPair(there: string, gone: string): IscepError {
  return wrong(
    `${there} is there, but ${gone} is not; put it back, or remove both: then a new pair is made, and clients need its new pin`,
  );
}

/**
 * What a client shows to servers that ask for a certificate.
 * @param files PEM text or the path of a PEM file, each
 * @throws IscepError `configuration` also for a key file that other users can read
 */
export function loadClientCertificate(files: { readonly cert: string; readonly key: string }): Certificate {
  if (!isPem(files.key) && exists(files.key)) checkKeyAccess(files.key);
  return loadServerCertificate(files);
}

function checkKeyAccess(path: string): void {
  if (process.getuid === undefined) return; // Windows
  const { mode } = statSync(path);
  if ((mode & 0o077) === 0) return;
  const octal = (mode & 0o777).toString(8).padStart(4, "0");
  throw wrong(
    `the key ${path} can be read or changed by other users (mode ${octal}); close it with: chmod 600 ${path}`,
  );
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    // Nothing can be below a file.
    if (systemCodeOf(error) === "ENOTDIR") return false;
    throw wrong(`${path} cannot be looked at: ${textOfThrown(error)}`, error);
  }
}

/** Returns the text itself when it is PEM, else the text of the file with this path. */
export function readPem(pemOrPath: string, what: string): string {
  if (isPem(pemOrPath)) return pemOrPath;
  try {
    return readFileSync(pemOrPath, "utf8");
  } catch (error) {
    const missing = systemCodeOf(error) === "ENOENT";
    const fault = missing ? "does not exist; check the path" : "cannot be read by this user; check its owner and mode";
    throw wrong(`the ${what} file ${pemOrPath} ${fault}`, error);
  }
}

function isPem(text: string): boolean {
  return text.includes("-----BEGIN ");
}

function nameOf(pemOrPath: string, what: string): string {
  return isPem(pemOrPath) ? `the ${what}` : `the ${what} ${pemOrPath}`;
}

function parseCertificate(pem: string, name: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw wrong(`${name} is not a certificate in PEM form (-----BEGIN CERTIFICATE-----)`, error);
  }
}

function parseKey(pem: string, name: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const encrypted = /BEGIN ENCRYPTED PRIVATE KEY|^Proc-Type: 4,ENCRYPTED/m.test(pem);
    if (encrypted)
      throw wrong(
        `${name} is locked with a passphrase, which a server has nobody to ask for; write it without one, mode 0600`,
        error,
      );
    throw wrong(`${name} is not a private key in PEM form`, error);
  }
}

function wrong(message: string, cause?: unknown): IscepError {
  return new IscepError("configuration", message, cause === undefined ? {} : { cause });
}
