import { X509Certificate, createPrivateKey, generateKeyPairSync } from "node:crypto";
import { lstat, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { defineCommand, Server } from "iscep";
import { iscep, type Ended } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test("iscep cert writes a key for its owner only and a certificate, and prints the pin", async () => {
  const folder = temporaryFolder();
  const { code, stdout, stderr } = await iscep(
    ["cert", "--host", "db.example.org", "--host", "10.0.0.7", "--days", "30"],
    { folder },
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "wrote key.pem and cert.pem; the pin is\n" });
  expect(stdout).toMatch(/^sha256:[\w-]{43}\n$/);
  expect((await stat(join(folder, "key.pem"))).mode & 0o777).toBe(0o600);
  const certificate = new X509Certificate(await readFile(join(folder, "cert.pem")));
  expect(certificate.checkPrivateKey(createPrivateKey(await readFile(join(folder, "key.pem"))))).toBe(true);
  expect(certificate.subjectAltName).toBe("DNS:db.example.org, IP Address:10.0.0.7");
  expect((Date.parse(certificate.validTo) - Date.now()) / 86_400_000).toBeCloseTo(30, 1);
  expect((await iscep(["cert", "--show", "cert.pem"], { folder })).stdout).toBe(stdout);
  expect(JSON.parse((await iscep(["cert", "--show", "cert.pem", "--json"], { folder })).stdout)).toEqual({
    cert: "cert.pem",
    pin: stdout.trim(),
  });
});

test("nothing is overwritten without --force", async () => {
  const folder = temporaryFolder();
  await writeFile(join(folder, "key.pem"), "precious");
  const refused = await iscep(["cert"], { folder });
  expect(refused.code).toBe(64);
  expect(refused.stderr).toMatch(/^iscep: key\.pem is there already and will not be overwritten/);
  expect(await readFile(join(folder, "key.pem"), "utf8")).toBe("precious");
  const forced = await iscep(["cert", "--force", "--json"], { folder });
  expect(JSON.parse(forced.stdout)).toEqual({
    cert: "cert.pem",
    key: "key.pem",
    pin: expect.stringMatching(/^sha256:/) as string,
  });
  expect((await stat(join(folder, "key.pem"))).mode & 0o777).toBe(0o600);
});

test("links stay, and the files that they lead to are replaced, also by a new pair", async () => {
  const folder = temporaryFolder();
  await mkdir(join(folder, "real"));
  for (const name of ["cert.pem", "key.pem"]) await symlink(join("real", name), join(folder, name));
  const pins: string[] = [];
  for (const words of [
    ["cert", "--force"],
    ["cert", "--key", "key.pem", "--days", "2"],
    ["cert", "--force"],
  ]) {
    const { stdout } = await iscep(words, { folder });
    const shown = await iscep(["cert", "--show", "real/cert.pem"], { folder });
    expect(shown.stdout).toBe(stdout);
    pins.push(stdout);
    for (const name of ["cert.pem", "key.pem"]) expect((await lstat(join(folder, name))).isSymbolicLink()).toBe(true);
  }
  expect([pins[0] === pins[1], pins[1] === pins[2]]).toEqual([true, false]);
  expect((await readdir(join(folder, "real"))).sort()).toEqual(["cert.pem", "key.pem"]);
  expect((await stat(join(folder, "real", "key.pem"))).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, "real", "cert.pem"))).mode & 0o777).toBe(0o644);
});

test("when one of a new pair cannot be written, the key that was there is not lost", async () => {
  const folder = temporaryFolder();
  await writeFile(join(folder, "key.pem"), "precious");
  await mkdir(join(folder, "cert.pem"));
  await symlink("cert.pem/missing/cert.pem", join(folder, "lost.pem"));
  for (const cert of ["cert.pem", "lost.pem", "key.pem/cert.pem"]) {
    const { code, stderr } = await iscep(["cert", "--force", "--cert", cert], { folder });
    expect({ code, stderr }).toEqual({ code: 64, stderr: expect.stringContaining("cannot be written") as string });
    expect(await readFile(join(folder, "key.pem"), "utf8")).toBe("precious");
  }
  expect((await readdir(folder)).sort()).toEqual(["cert.pem", "key.pem", "lost.pem"]);
});

test.each([
  [["cert", "--show", "missing.pem"], "does not exist"],
  [["cert", "--show", "text.txt"], "holds no certificate"],
  [["cert", "--show", "text.txt", "--days", "3"], "--days has no meaning with it"],
  [["cert", "--days", "0"], "must be a whole number"],
  [["cert", "--host", "not a host"], "no host name"],
  [["cert", "--cert", "a", "--key", "a"], "must be two files"],
])("%j exits with 64 and a sentence", async (words, sentence) => {
  const folder = temporaryFolder();
  await writeFile(join(folder, "text.txt"), "text");
  const { code, stdout, stderr } = await iscep(words, { folder });
  expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
  expect(stderr).toContain(sentence);
});

test("a key that is there and is named gets a new certificate, and keeps its pin", async () => {
  const folder = temporaryFolder();
  const { stdout: pin } = await iscep(["cert", "--days", "1"], { folder });
  const [key, first] = await Promise.all([readFile(join(folder, "key.pem")), readFile(join(folder, "cert.pem"))]);
  const renewed = await iscep(["cert", "--key", "key.pem", "--days", "400"], { folder });
  expect(renewed).toMatchObject({ code: 0, stdout: pin, stderr: "renewed cert.pem for key.pem; the pin is\n" });
  expect(await readFile(join(folder, "key.pem"))).toEqual(key);
  const certificate = new X509Certificate(await readFile(join(folder, "cert.pem")));
  expect(certificate.serialNumber).not.toBe(new X509Certificate(first).serialNumber);
  expect((await stat(join(folder, "cert.pem"))).mode & 0o777).toBe(0o644);
});

test.each([
  ["ec", { namedCurve: "secp384r1" }],
  ["ec", { namedCurve: "secp521r1" }],
  ["rsa", { modulusLength: 2048 }],
] as const)("a certificate can be made for a key of another kind: %s %j", async (kind, options) => {
  const folder = temporaryFolder();
  const { privateKey } = kind === "ec" ? generateKeyPairSync(kind, options) : generateKeyPairSync(kind, options);
  await writeFile(join(folder, "key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  expect(await iscep(["cert", "--key", "key.pem"], { folder })).toMatchObject({ code: 0 });
  const certificate = new X509Certificate(await readFile(join(folder, "cert.pem")));
  expect(certificate.checkPrivateKey(privateKey)).toBe(true);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
});

test.each([
  ["a certificate of another key is not replaced", ["cert", "--key", "next-key.pem"], "belongs to another key"],
  ["the key to come is not replaced", ["cert", "--next"], "next-key.pem is there already"],
  ["--next makes no certificate", ["cert", "--next", "--days", "3"], "--days has no meaning with it"],
  ["a key of a kind that has no certificates here", ["cert", "--key", "ed.pem", "--cert", "ed-cert.pem"], "ed25519"],
  ["a file that is no key", ["cert", "--key", "cert.pem", "--cert", "x.pem"], "is not a private key"],
])("%s", async (_, words, sentence) => {
  const folder = temporaryFolder();
  await iscep(["cert"], { folder });
  await iscep(["cert", "--next"], { folder });
  const { privateKey } = generateKeyPairSync("ed25519");
  await writeFile(join(folder, "ed.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
  const refused = await iscep(words, { folder });
  expect(refused).toMatchObject({ code: 64, stdout: "" });
  expect(refused.stderr).toContain(sentence);
});

test("a server gets a new key, and no client is turned away (docs/KEYS.md)", async () => {
  const folder = temporaryFolder();
  const { stdout: oldPin } = await iscep(["cert"], { folder });
  const server = new Server({
    commands: [defineCommand({ name: "hello", args: z.object({}), run: () => "hello" })],
    port: 0,
    tls: { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") },
  });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { port = 0 } = await server.listen();
  const call = (...pins: string[]): Promise<Ended> => {
    const url = `iscep://127.0.0.1:${port}?${pins.map((pin) => `pin=${pin.trim()}`).join("&")}`;
    return iscep(["call", "--url", url, "hello"], { folder });
  };
  const { stdout: nextPin } = await iscep(["cert", "--next"], { folder });
  expect(await call(oldPin, nextPin)).toMatchObject({ code: 0, stdout: "hello\n" });

  await iscep(["cert", "--key", "next-key.pem", "--cert", "next-cert.pem"], { folder });
  for (const name of ["key.pem", "cert.pem"]) await rename(join(folder, `next-${name}`), join(folder, name));
  await server.reload();
  expect(await call(oldPin, nextPin)).toMatchObject({ code: 0, stdout: "hello\n" });
  expect(await call(nextPin)).toMatchObject({ code: 0, stdout: "hello\n" });
  const late = await call(oldPin);
  expect(late).toMatchObject({ code: 69 });
  expect(late.stderr).toContain("another key than the pinned one");
});
