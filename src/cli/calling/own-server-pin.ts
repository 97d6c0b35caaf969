import { readFileSync } from "node:fs";
import { join } from "node:path";
import { systemCodeOf } from "../../files/system-code.js";
import { IscepError } from "../../errors.js";
import { defaultStateFolder, pinOfCertificate } from "../../identity/certificates.js";
import { surroundings } from "../terminal/surroundings.js";

export interface OwnServerPin {
  readonly certFile: string;
  readonly pin: string;
}

/**
 * The pin of the certificate that `iscep serve` made for this user, or undefined when there is none.
 * @throws IscepError `configuration` when the certificate cannot be used: a broken file never decides about trust
 */
export function ownServerPin(): OwnServerPin | undefined {
  const certFile = join(defaultStateFolder(surroundings().env), "server-cert.pem");
  try {
    return { certFile, pin: pinOfCertificate(readFileSync(certFile, "utf8")) };
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw new IscepError(
      "configuration",
      `${certFile}, by which this user's own server is known, cannot be read; mend it, or give --pin`,
      {
        cause: error,
      },
    );
  }
}
