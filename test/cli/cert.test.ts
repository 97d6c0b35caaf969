import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { iscep, temporaryFolder } from "../support/iscep.js";

test("iscep cert writes a key for its owner only and a certificate, and prints the pin", async () => {
  const folder = await temporaryFolder();
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
  const folder = await temporaryFolder();
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

test.each([
  [["cert", "--show", "missing.pem"], "does not exist"],
  [["cert", "--show", "text.txt"], "holds no certificate"],
  [["cert", "--show", "text.txt", "--days", "3"], "--days has no meaning with it"],
  [["cert", "--days", "0"], "must be a whole number"],
  [["cert", "--host", "not a host"], "no host name"],
  [["cert", "--cert", "a", "--key", "a"], "must be two files"],
])("%j exits with 64 and a sentence", async (words, sentence) => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "text.txt"), "text");
  const { code, stdout, stderr } = await iscep(words, { folder });
  expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
  expect(stderr).toContain(sentence);
});
