import { existsSync } from "node:fs";
import { IscepError } from "../../errors.js";
import { writeFileAtomically } from "../../files/atomic-file.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { refuseExisting, writeNewFiles } from "../serving/new-files.js";
import { collect, nonEmpty, wholeNumber } from "../arguments/option-values.js";
import { note, print } from "../terminal/streams.js";

interface CertOptions {
  readonly cert?: string;
  readonly key?: string;
  readonly host?: readonly string[];
  readonly days?: number;
  readonly force?: boolean;
  readonly next?: boolean;
  readonly show?: string;
  readonly json?: boolean;
}

export const define: DefineVerb = (command) => {
  command
    .option("--cert <file>", 'the certificate to write (default: "cert.pem")', nonEmpty)
    .option(
      "--key <file>",
      'the key: one that is there gets a new certificate with the same pin, else it is made, open to its owner only (default: "key.pem")',
      nonEmpty,
    )
    .option(
      "--host <name>",
      "name or address of the server; may be repeated (default: localhost and this machine's name)",
      collect,
    )
    .option("--days <number>", "how long it is valid", wholeNumber(1, 36_500))
    .option("--force", "overwrite existing files; clients then need the new pin")
    .option("--next", 'make the key to come, and print its pin (default file: "next-key.pem")')
    .option("--show <file>", "print the pin of an existing certificate, and make none")
    .option("--json", "print one JSON value, and nothing else, on standard output")
    .addHelpText("after", "\nPrints the pin, by which clients know the server: iscep://HOST:8989?pin=sha256:…")
    .action(async (options: CertOptions) => {
      const { show, ...others } = options;
      if (options.next === true) {
        const surplus = (["cert", "host", "days", "show"] as const).find((name) => options[name] !== undefined);
        if (surplus === undefined) return makeNextKey(options);
        throw new IscepError("usage", `--next makes a key and no certificate, so --${surplus} has no meaning with it`);
      }
      if (show === undefined) return makeCertificate(options);
      const surplus = Object.keys(others).find((name) => name !== "json");
      if (surplus !== undefined)
        throw new IscepError("usage", `--show makes no certificate, so --${surplus} has no meaning with it`);
      const pin = await pinOfFile(show);
      await print(options.json === true ? `${JSON.stringify({ cert: show, pin })}\n` : `${pin}\n`);
    });
};

async function makeCertificate(options: CertOptions): Promise<void> {
  const { cert = "cert.pem", key = "key.pem", host, days, force = false } = options;
  if (cert === key) throw new IscepError("usage", "--cert and --key must be two files");
  const renewed = options.key === undefined || force ? undefined : await renewable(cert, key);
  if (renewed === undefined && !force) refuseExisting([cert, key], "choose others, or say --force");
  const { createCertificate } = await import("../../identity/certificates.js");
  const made = await createCertificate({
    ...(host === undefined ? {} : { hosts: host }),
    ...(days === undefined ? {} : { days }),
    ...(renewed === undefined ? {} : { keyPem: renewed }),
  });
  const certFile = { path: cert, text: made.certPem, mode: 0o644 };
  // The key comes last, because a certificate can be made again.
  if (renewed === undefined) await writeNewFiles([certFile, { path: key, text: made.keyPem, mode: 0o600 }], force);
  else writeFileAtomically(cert, made.certPem, certFile.mode);
  if (options.json === true) {
    await print(`${JSON.stringify({ cert, key, pin: made.pin })}\n`);
  } else {
    await note(
      renewed === undefined ? `wrote ${key} and ${cert}; the pin is` : `renewed ${cert} for ${key}; the pin is`,
    );
    await print(`${made.pin}\n`);
  }
}

/**
 * The text of a key that exists and was named: its certificate is renewed, and clients keep their pin. undefined when
 * there is no such key.
 * @throws IscepError `usage` when the certificate file belongs to another key
 */
async function renewable(cert: string, key: string): Promise<string | undefined> {
  if (!existsSync(key)) return undefined;
  const { pinOfPrivateKey, readPem } = await import("../../identity/certificates.js");
  const keyPem = readPem(key, "key");
  const pin = pinOfPrivateKey(keyPem, `the key ${key}`);
  if (existsSync(cert) && (await pinOfFile(cert)) !== pin) {
    throw new IscepError(
      "usage",
      `${cert} belongs to another key than ${key}; name another file with --cert, and put it in place of ${cert} when all clients know the pin ${pin}`,
    );
  }
  return keyPem;
}

/** Makes only the key. Its pin can be given to clients long before it needs a certificate. */
async function makeNextKey(options: CertOptions): Promise<void> {
  const { key = "next-key.pem", force = false } = options;
  if (!force) refuseExisting([key], "it may be the key to come already; choose another, or say --force");
  const { createCertificate } = await import("../../identity/certificates.js");
  const { keyPem, pin } = await createCertificate();
  await writeNewFiles([{ path: key, text: keyPem, mode: 0o600 }], force);
  if (options.json === true) {
    await print(`${JSON.stringify({ key, pin })}\n`);
  } else {
    await note(
      `wrote ${key}. Give clients its pin beside the present one; when all have both, make its certificate: iscep cert --key ${key} --cert FILE`,
    );
    await print(`${pin}\n`);
  }
}

/** @throws IscepError `configuration` */
export async function pinOfFile(path: string): Promise<string> {
  const { pinOfCertificate, readPem } = await import("../../identity/certificates.js");
  const pem = readPem(path, "certificate");
  try {
    return pinOfCertificate(pem);
  } catch (error) {
    throw new IscepError("configuration", `${path} holds no certificate in PEM form`, { cause: error });
  }
}
