/** What iscep check finds wrong with keys and certificates. */
import { spawnSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { initialisedFolder, iscep } from "../support/iscep.js";
import { authority } from "../support/authority.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { check, findings } from "../support/checked-configuration.js";

describe("iscep check", () => {
  const openssl = (folder: string, ...words: string[]): number | null =>
    spawnSync("openssl", words, { cwd: folder, stdio: "ignore" }).status;
  const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

  test.runIf(hasOpenssl)("tries the key as a client would: 64 for a curve that TLS refuses", async () => {
    const folder = await initialisedFolder();
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"];
    const made = openssl(
      folder,
      "req",
      "-x509",
      ...curve,
      "-nodes",
      "-subj",
      "/CN=a",
      "-keyout",
      "key.pem",
      "-out",
      "cert.pem",
    );
    expect(made).toBe(0);
    const { code, findings: found } = await findings(folder);
    expect(code).toBe(64);
    expect(found.filter(({ level }) => level === "wrong")).toEqual([
      {
        level: "wrong",
        about: "certificate",
        message: expect.stringMatching(
          /no client can connect with .*cert\.pem: .*\(ec secp256k1, ERR_SSL_\w+\).*iscep cert/,
        ) as string,
      },
    ]);
  });

  test("says which certificate of a chain is first, and warns of what clients will not take", async () => {
    const folder = await initialisedFolder();
    const root = await authority("Root");
    const other = await authority("Other");
    const { certificate, key } = await root.sign("localhost");
    await writeFile(join(folder, "key.pem"), key, { mode: 0o600 });
    await writeFile(join(folder, "cert.pem"), `${root.pem}\n${certificate}\n`);
    const first = await findings(folder);
    expect(first.findings.filter(({ level }) => level === "wrong").map(({ message }) => message)).toEqual([
      expect.stringMatching(/do not belong together; number 2 in the file does belong to this key, so put it first/),
    ]);
    await writeFile(join(folder, "cert.pem"), `${certificate}\n${other.pem}\n${root.pem}\n`);
    const second = await findings(folder);
    expect(second.ok).toBe(true);
    // This authority makes certificates for clients only.
    expect(second.findings.filter(({ level }) => level === "warning").map(({ message }) => message)).toEqual([
      expect.stringMatching(/clients that trust an authority, and not a pin, refuse .*cert\.pem: INVALID_PURPOSE/),
      expect.stringMatching(/did not sign the others \(CN=Other\)/),
    ]);
  });

  test("warns of a certificate that ends soon, given or of the server's own making", async () => {
    const folder = temporaryFolder();
    for (const [tls, cert, key] of [
      ["{ cert: kept/c.pem, key: kept/k.pem }", "kept/c.pem", "kept/k.pem"],
      ["true", "kept/server-cert.pem", "kept/server-key.pem"],
    ] as const) {
      await writeFile(
        join(folder, "iscep.yaml"),
        `state: kept\ntls: ${tls}\ncommands: { hello: { run: [echo, hello] } }\n`,
      );
      await mkdir(join(folder, "kept"), { recursive: true });
      for (const days of [10, 20]) {
        await iscep(["cert", "--force", "--days", `${days}`, "--cert", cert, "--key", key], { folder });
        const { ok, findings: found } = await findings(folder);
        const warnings = found.filter(({ level, about }) => level === "warning" && about === "certificate");
        expect(ok).toBe(true);
        expect(warnings.map(({ message }) => message)).toEqual(
          days === 10 ? [expect.stringMatching(/^it ends at 20.*; renew it/)] : [],
        );
      }
    }
  });

  test("tells all faults of key and certificate, not only the first", async () => {
    const folder = await initialisedFolder();
    await writeFile(join(folder, "cert.pem"), "x");
    await rm(join(folder, "key.pem"));
    expect(
      (await findings(folder)).findings.filter(({ level }) => level === "wrong").map(({ message }) => message),
    ).toEqual([
      expect.stringMatching(/key\.pem does not exist/),
      expect.stringMatching(/cert\.pem is not a certificate/),
    ]);
  });

  test("64 without a file, and for options that contradict each other", async () => {
    const folder = temporaryFolder();
    expect((await check(folder)).stderr).toContain("iscep init");
    const both = await check(await initialisedFolder(), "--unix", "a.sock", "--port", "1");
    expect(both).toMatchObject({ code: 64, stdout: "" });
    expect(both.stderr).toContain("either --unix");
  });
});
