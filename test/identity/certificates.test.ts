import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate, createHash, createPrivateKey } from "node:crypto";
import { chmodSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  createCertificate,
  defaultStateFolder,
  ensureServerCertificate,
  loadServerCertificate,
  pinOfCertificate,
} from "#iscep/identity/certificates";
import { runProgram } from "../support/programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { errorOf } from "../support/error-of.js";

const dayMs = 86_400_000;
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0; // these tests are skipped where there is no openssl

describe("a made certificate", () => {
  test("is for this machine's names, signed by its own P-256 key, and for servers only", async () => {
    const { certPem, keyPem, pin } = await createCertificate();
    const certificate = new X509Certificate(certPem);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(keyPem))).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
    for (const name of ["localhost", hostname()]) expect(certificate.checkHost(name)).toBeDefined();
    for (const address of ["127.0.0.1", "::1"]) expect(certificate.checkIP(address)).toBeDefined();
    expect(certificate.checkHost("example.org")).toBeUndefined();
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]); // Node's name for the extended usage: serverAuth
    expect(keyPem).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect(pin).toBe(
      `sha256:${createHash("sha256")
        .update(certificate.publicKey.export({ type: "spki", format: "der" }))
        .digest("base64url")}`,
    );
    expect([pinOfCertificate(certPem), pinOfCertificate(certificate.raw), pinOfCertificate(certificate)]).toEqual([
      pin,
      pin,
      pin,
    ]);
  });

  test("lasts as long as asked, also into the years that are written with four digits", async () => {
    const certificateOf = async (days?: number): Promise<X509Certificate> =>
      new X509Certificate((await createCertificate(days === undefined ? {} : { days })).certPem);
    const daysLeft = async (days?: number): Promise<number> =>
      Math.round((Date.parse((await certificateOf(days)).validTo) - Date.now()) / dayMs);
    expect(await daysLeft()).toBe(3_650);
    expect(await daysLeft(1)).toBe(1);
    expect(await daysLeft(36_500)).toBe(36_500);
    for (const days of [0, -1, 1.5, 36_501, Number.NaN])
      expect((await errorOf(() => createCertificate({ days }))).code).toBe("usage");
  });

  test("takes names and addresses of all kinds, and refuses what is none", async () => {
    const hosts = [
      "example.org",
      "*.example.org",
      "bücher.example",
      "10.0.0.1",
      "2001:db8::ff",
      "a".repeat(63) + ".example",
    ];
    const certificate = new X509Certificate((await createCertificate({ hosts })).certPem);
    expect(certificate.checkHost("x.example.org")).toBeDefined();
    expect(certificate.checkHost("xn--bcher-kva.example")).toBeDefined();
    expect(certificate.checkIP("2001:db8:0:0:0:0:0:ff")).toBeDefined();
    expect(
      new X509Certificate((await createCertificate({ hosts: ["b".repeat(60) + ".example"] })).certPem).subject,
    ).toBe("CN=iscep");
    for (const host of ["", "a b", "a,b", "-a", "a..b", "http://x", "1.2.3.4.5:80", "a\0b"]) {
      expect((await errorOf(() => createCertificate({ hosts: [host] }))).code).toBe("usage");
    }
  });

  test.skipIf(!hasOpenssl)("passes the strict checks of openssl (skipped without openssl)", async () => {
    const folder = temporaryFolder();
    for (let round = 0; round < 10; round++) {
      writeFileSync(join(folder, "c.pem"), (await createCertificate()).certPem);
      expect(openssl(folder, "verify", "-x509_strict", "-CAfile", "c.pem", "c.pem")).toContain("OK");
    }
  });
});

describe("loading", () => {
  test("takes text and paths, and the pin is the key's", async () => {
    const folder = temporaryFolder();
    const made = await createCertificate();
    writeFileSync(join(folder, "c.pem"), made.certPem);
    writeFileSync(join(folder, "k.pem"), made.keyPem);
    expect(loadServerCertificate({ cert: join(folder, "c.pem"), key: join(folder, "k.pem") })).toEqual(made);
    expect(loadServerCertificate({ cert: made.certPem, key: made.keyPem })).toEqual(made);
    const both = made.keyPem + made.certPem;
    expect(loadServerCertificate({ cert: both, key: both }).pin).toBe(made.pin);
  });

  test("says what is wrong: missing, no PEM, not a pair, expired, not yet", async () => {
    const made = await createCertificate();
    const { certPem: cert, keyPem: key } = made;
    const old = await createCertificate({ days: 1, nowMs: Date.now() - 2 * dayMs });
    const coming = await createCertificate({ nowMs: Date.now() + 2 * dayMs });
    const folder = temporaryFolder();
    writeFileSync(join(folder, "text"), "hello");
    const message = async (files: { cert: string; key: string }): Promise<string> => {
      const error = await errorOf(() => loadServerCertificate(files));
      expect(error.code).toBe("configuration");
      expect(error.message).not.toContain("PRIVATE");
      return error.message;
    };
    expect(await message({ cert: join(folder, "none.pem"), key })).toMatch(
      /certificate file .*none\.pem does not exist/,
    );
    expect(await message({ cert, key: join(folder, "none.pem") })).toMatch(/key file .*none\.pem does not exist/);
    expect(await message({ cert: folder, key })).toMatch(/cannot be read/);
    expect(await message({ cert: join(folder, "text"), key })).toMatch(/text is not a certificate/);
    expect(await message({ cert: key, key })).toMatch(/not a certificate/);
    expect(await message({ cert, key: cert })).toMatch(/not a private key/);
    expect(await message({ cert, key: old.keyPem })).toMatch(/do not belong together/);
    expect(await message({ cert: old.certPem, key: old.keyPem })).toMatch(/expired on/);
    expect(await message({ cert: coming.certPem, key: coming.keyPem })).toMatch(/only counts from/);
  });

  test.skipIf(!hasOpenssl)(
    "takes what openssl makes: RSA, EC, PKCS8, PKCS1; not short or locked keys (skipped without openssl)",
    async () => {
      const folder = temporaryFolder();
      const load = (key = "k.pem"): string =>
        loadServerCertificate({ cert: join(folder, "c.pem"), key: join(folder, key) }).pin;
      // As in the original's README.
      openssl(
        folder,
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "k.pem",
        "-x509",
        "-days",
        "365",
        "-out",
        "c.pem",
        "-subj",
        "/CN=x",
      );
      const pin = load();
      openssl(folder, "rsa", "-in", "k.pem", "-traditional", "-out", "pkcs1.pem");
      expect(readFileSync(join(folder, "pkcs1.pem"), "utf8")).toContain("BEGIN RSA PRIVATE KEY");
      expect(load("pkcs1.pem")).toBe(pin);
      openssl(folder, "rsa", "-in", "k.pem", "-aes128", "-passout", "pass:x", "-out", "locked.pem");
      expect((await errorOf(() => load("locked.pem"))).message).toMatch(/passphrase/);
      openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.pem");
      openssl(folder, "req", "-key", "ec.pem", "-x509", "-days", "2", "-out", "c.pem", "-subj", "/CN=x");
      expect(load("ec.pem")).toMatch(/^sha256:/);
      openssl(
        folder,
        "req",
        "-newkey",
        "rsa:768",
        "-nodes",
        "-keyout",
        "k.pem",
        "-x509",
        "-days",
        "2",
        "-out",
        "c.pem",
        "-subj",
        "/CN=x",
      );
      expect(await errorOf(load)).toMatchObject({
        code: "configuration",
        message: expect.stringContaining("too short") as string,
      });
    },
  );
});

describe("the server's own certificate", () => {
  const files = (folder: string): { cert: string; key: string } => ({
    cert: join(folder, "server-cert.pem"),
    key: join(folder, "server-key.pem"),
  });

  test("is made at the first start, closed to others, and found at the second", async () => {
    const folder = join(temporaryFolder(), "a", "iscep");
    const first = await ensureServerCertificate(folder);
    expect(first.created).toBe(true);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(files(folder).key).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(["server-cert.pem", "server-key.pem"]);
    expect(await ensureServerCertificate(folder)).toEqual({ ...first, created: false });
  });

  test("is the same for servers that start at once", async () => {
    const folder = join(temporaryFolder(), "iscep");
    const outputs = await Promise.all(Array.from({ length: 4 }, () => runProgram("ensure-certificate", folder)));
    const results = outputs.map((output) => JSON.parse(output) as { pin: string; created: boolean });
    expect(new Set(results.map(({ pin }) => pin)).size).toBe(1);
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  test.each(["cert", "key"] as const)("without its %s is never made anew in silence", async (missing) => {
    const folder = temporaryFolder();
    await ensureServerCertificate(folder);
    const left = readFileSync(files(folder)[missing === "cert" ? "key" : "cert"], "utf8");
    rmSync(files(folder)[missing]);
    const error = await errorOf(() => ensureServerCertificate(folder));
    expect(error.code).toBe("configuration");
    expect(error.message).toContain(files(folder)[missing]);
    expect(existsSync(files(folder)[missing])).toBe(false);
    expect(readFileSync(files(folder)[missing === "cert" ? "key" : "cert"], "utf8")).toBe(left);
  });

  test("is finished when the process that made it was killed between the two files", async () => {
    const folder = temporaryFolder();
    const { pin } = await ensureServerCertificate(folder);
    const dead = (await runProgram("process-mark")).trim();
    renameSync(files(folder).cert, `${files(folder).cert}.${dead}-0123456789abcdef.tmp`);
    writeFileSync(`${files(folder).cert}.${dead}-0123456789abcde0.tmp`, (await createCertificate()).certPem); // of another key
    writeFileSync(`${files(folder).cert}.${dead}-0123456789abcde1.tmp`, "-----BEGIN CERT");
    expect((await ensureServerCertificate(folder)).pin).toBe(pin);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  test("with a key that others may read is refused, with the way out", async () => {
    const folder = temporaryFolder();
    await ensureServerCertificate(folder);
    chmodSync(files(folder).key, 0o640);
    const error = await errorOf(() => ensureServerCertificate(folder));
    expect(error.code).toBe("configuration");
    expect(error.message).toContain(`chmod 600 ${files(folder).key}`);
  });

  test("needs a folder that can be one", async () => {
    const path = join(temporaryFolder(), "file");
    writeFileSync(path, "");
    expect((await errorOf(() => ensureServerCertificate(path))).code).toBe("configuration");
  });

  test("has its place by the environment", () => {
    expect(defaultStateFolder({})).toBe(join(homedir(), ".local/state/iscep"));
    expect(defaultStateFolder({ XDG_STATE_HOME: "/x" })).toBe("/x/iscep");
    expect(defaultStateFolder({ XDG_STATE_HOME: "relative" })).toBe(join(homedir(), ".local/state/iscep"));
    expect(defaultStateFolder({ XDG_STATE_HOME: "/x", ISCEP_STATE_DIR: "/y" })).toBe("/y");
  });
});

function openssl(folder: string, ...args: string[]): string {
  return execFileSync("openssl", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
