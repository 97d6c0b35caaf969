import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect as connectNet, createServer as createNetServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { connect, createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { createCertificate, loadServerCertificate, minTlsVersion } from "#iscep/identity/certificates";
import { tlsFailure, trustOptions, type TrustOptions } from "#iscep/identity/trust";
import { temporaryFolder } from "../support/temporary-folder.js";
import { errorOf } from "../support/error-of.js";

const dayMs = 86_400_000;
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0; // these tests are skipped where there is no openssl

interface Started {
  port: number;
  /** What clients have written to it, in the clear. */
  heard: () => string;
}

async function serve(certificate: { certPem: string; keyPem: string }, more: TlsOptions = {}): Promise<Started> {
  let heard = "";
  const server = createServer(
    { cert: certificate.certPem, key: certificate.keyPem, minVersion: minTlsVersion, ...more },
    (socket) => {
      socket.on("data", (bytes: Buffer) => (heard += bytes.toString())).on("error", () => {});
      socket.write("hello");
    },
  );
  server.on("tlsClientError", () => {});
  return { port: await listen(server), heard: () => heard };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** As a client does it: nothing is written before the check. */
async function call(
  port: number,
  options: Omit<TrustOptions, "host"> & { host?: string },
  more: object = {},
): Promise<string> {
  const trust = trustOptions({ host: "localhost", ...options });
  const socket: TLSSocket = connect({ host: "127.0.0.1", port, ...trust.connection, ...more });
  onTestFinished(() => void socket.destroy());
  try {
    await once(socket, "secureConnect");
  } catch (error) {
    throw tlsFailure(error, "the server") ?? error;
  }
  try {
    trust.check(socket);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  const [bytes]: unknown[] = await once(socket, "data");
  socket.destroy();
  return String(bytes);
}

describe("a pin", () => {
  test("is enough, whatever name, date and authority the certificate has", async () => {
    const expired = await createCertificate({ hosts: ["other.example"], days: 1, nowMs: Date.now() - 3 * dayMs });
    const { port } = await serve(expired);
    expect(await call(port, { pin: expired.pin })).toBe("hello");
    const asOthersPrintIt = `sha256:${Buffer.from(expired.pin.slice(7), "base64url").toString("base64")}`;
    expect(await call(port, { pin: asOthersPrintIt, host: "[::1]" })).toBe("hello");
  });

  test("that is another one ends the connection before a byte is written, and shows both", async () => {
    const [mine, theirs] = [await createCertificate(), await createCertificate()];
    const { port, heard } = await serve(theirs);
    const error = await errorOf(() => call(port, { pin: mine.pin }));
    expect(error.code).toBe("not_trusted");
    expect(error.message).toContain(mine.pin);
    expect(error.message).toContain(theirs.pin);
    expect(error.details).toEqual({ expected: mine.pin, shown: theirs.pin });
    expect(heard()).toBe("");
  });

  test("decides also where a ca file is given, but a missing ca file is never passed over", async () => {
    const [mine, theirs] = [await createCertificate(), await createCertificate()];
    const { port } = await serve(theirs);
    expect((await errorOf(() => call(port, { pin: mine.pin, ca: theirs.certPem }))).code).toBe("not_trusted");
    expect((await errorOf(() => call(port, { pin: theirs.pin, ca: join(temporaryFolder(), "none.pem") }))).code).toBe(
      "configuration",
    );
  });

  test.each([
    "",
    "sha256:",
    "sha1:abc",
    "sha256:abc",
    `sha256:${"a".repeat(44)}`,
    "a".repeat(43),
    `sha256:${"!".repeat(43)}`,
  ])("cannot be %j", async (pin) => expect((await errorOf(() => trustOptions({ host: "x", pin }))).code).toBe("usage"));
});

describe("a ca", () => {
  test("that is the server's own certificate counts whatever host was called, as text and as file", async () => {
    const certificate = await createCertificate({ hosts: ["other.example"] });
    const { port } = await serve(certificate);
    const path = join(temporaryFolder(), "ca.pem");
    writeFileSync(path, `${(await createCertificate()).certPem}\n${certificate.certPem}`);
    expect(await call(port, { ca: certificate.certPem })).toBe("hello");
    expect(await call(port, { ca: path, host: "127.0.0.1" })).toBe("hello");
  });

  test("that is another certificate, or has expired, does not", async () => {
    const certificate = await createCertificate();
    const { port, heard } = await serve(certificate);
    const error = await errorOf(async () => call(port, { ca: (await createCertificate()).certPem }));
    expect(error).toMatchObject({ code: "not_trusted", message: expect.stringMatching(/--pin.*--ca/) as string });
    expect(heard()).toBe("");
    const old = await createCertificate({ days: 1, nowMs: Date.now() - 3 * dayMs });
    const { port: oldPort } = await serve(old);
    expect(await errorOf(() => call(oldPort, { ca: old.certPem }))).toMatchObject({
      code: "not_trusted",
      message: expect.stringContaining("expired") as string,
    });
  });

  test("file that is missing or holds none is a wrong configuration", async () => {
    const path = join(temporaryFolder(), "ca.pem");
    expect((await errorOf(() => trustOptions({ host: "x", ca: path }))).message).toContain("does not exist");
    writeFileSync(path, "hello");
    expect((await errorOf(() => trustOptions({ host: "x", ca: path }))).message).toContain("holds no certificate");
    writeFileSync(path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    expect(await errorOf(() => trustOptions({ host: "x", ca: path }))).toMatchObject({ code: "configuration" });
  });

  test.skipIf(!hasOpenssl)(
    "made by openssl works: the certificate itself, or its authority with the right name (skipped without openssl)",
    async () => {
      const folder = temporaryFolder();
      const openssl = (...args: string[]): void => {
        execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
      };
      const path = (name: string): string => join(folder, name);
      // As in the original's README.
      openssl(
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
        "/CN=my server",
      );
      const own = await serve(loadServerCertificate({ cert: path("c.pem"), key: path("k.pem") }));
      expect(await call(own.port, { ca: path("c.pem") })).toBe("hello");

      openssl(
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "leafkey.pem",
        "-out",
        "leaf.csr",
        "-subj",
        "/CN=leaf",
      );
      writeFileSync(path("ext"), "subjectAltName=DNS:localhost\n");
      openssl(
        "x509",
        "-req",
        "-in",
        "leaf.csr",
        "-CA",
        "c.pem",
        "-CAkey",
        "k.pem",
        "-CAcreateserial",
        "-days",
        "9",
        "-extfile",
        "ext",
        "-out",
        "leaf.pem",
      );
      const signed = await serve(loadServerCertificate({ cert: path("leaf.pem"), key: path("leafkey.pem") }));
      expect(await call(signed.port, { ca: path("c.pem"), host: "localhost" })).toBe("hello");
      expect(await call(signed.port, { ca: path("leaf.pem"), host: "elsewhere.example" })).toBe("hello");
      const error = await errorOf(() => call(signed.port, { ca: path("c.pem"), host: "elsewhere.example" }));
      expect(error).toMatchObject({ code: "not_trusted", message: expect.stringContaining("other names") as string });
    },
  );
});

describe("neither pin nor ca", () => {
  test("leaves it to the system's authorities, and the sentence tells what to give", async () => {
    const certificate = await createCertificate();
    const { port, heard } = await serve(certificate);
    const error = await errorOf(() => call(port, {}));
    expect(error).toMatchObject({ code: "not_trusted", message: expect.stringMatching(/--pin.*--ca/) as string });
    expect(heard()).toBe("");
  });

  test("a check of a connection that was never verified refuses", async () => {
    const certificate = await createCertificate();
    const { port } = await serve(certificate);
    expect((await errorOf(() => call(port, {}, { rejectUnauthorized: false }))).code).toBe("not_trusted");
  });
});

describe("TLS itself", () => {
  test("1.2 and 1.3 work, 1.1 does not", async () => {
    const certificate = await createCertificate();
    const { port } = await serve(certificate);
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"])
      expect(await call(port, { pin: certificate.pin }, { maxVersion })).toBe("hello");
    const old = await serve(certificate, { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" });
    expect((await errorOf(() => call(old.port, { pin: certificate.pin }))).code).toBe("connect_failed");
  });

  test("towards a port without it the sentence says so", async () => {
    const port = await listen(
      createNetServer((socket) => socket.on("error", () => {}).end("I am no TLS server at all")),
    );
    expect(await errorOf(() => call(port, {}))).toMatchObject({
      code: "connect_failed",
      message: expect.stringContaining("iscep+tcp://") as string,
    });
  });

  test("failures that are not of TLS are left to others", async () => {
    const port = await listen(createNetServer());
    const socket = connectNet(port, "127.0.0.1");
    await once(socket, "connect");
    socket.destroy();
    for (const error of [
      new Error("x"),
      Object.assign(new Error("x"), { code: "ECONNREFUSED" }),
      undefined,
      "toString",
    ]) {
      expect(tlsFailure(error, "x")).toBeUndefined();
    }
    expect(tlsFailure("CERT_HAS_EXPIRED", "x")?.code).toBe("not_trusted");
  });
});
