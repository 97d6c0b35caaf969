import { IscepError } from "../../errors.js";
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
  readonly show?: string;
  readonly json?: boolean;
}

export const define: DefineVerb = (command) => {
  command
    .option("--cert <file>", 'the certificate to write (default: "cert.pem")', nonEmpty)
    .option("--key <file>", 'the key to write, open to its owner only (default: "key.pem")', nonEmpty)
    .option(
      "--host <name>",
      "name or address of the server; may be repeated (default: localhost and this machine's name)",
      collect,
    )
    .option("--days <number>", "how long it is valid", wholeNumber(1, 36_500))
    .option("--force", "overwrite files that are there; clients then need the new pin")
    .option("--show <file>", "print the pin of a certificate that is there, and make none")
    .option("--json", "print one JSON value, and nothing else, on standard output")
    .addHelpText("after", "\nPrints the pin, by which clients know the server: iscep://HOST:8989?pin=sha256:…")
    .action(async (options: CertOptions) => {
      const { show, ...others } = options;
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
  if (!force) refuseExisting([cert, key], "choose others, or say --force");
  const { createCertificate } = await import("../../identity/certificates.js");
  const made = await createCertificate({
    ...(host === undefined ? {} : { hosts: host }),
    ...(days === undefined ? {} : { days }),
  });
  await writeNewFiles(
    [
      { path: key, text: made.keyPem, mode: 0o600 },
      { path: cert, text: made.certPem, mode: 0o644 },
    ],
    force,
  );
  if (options.json === true) {
    await print(`${JSON.stringify({ cert, key, pin: made.pin })}\n`);
  } else {
    await note(`wrote ${key} and ${cert}; the pin is`);
    await print(`${made.pin}\n`);
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
