/**
 * Reads how an entry of the tokens file names a client certificate: by the pin of its key, or by the name that an
 * authority vouches for.
 */
import { IscepError } from "../errors.js";
import { pinOfCertificate, readPem } from "./certificates.js";
import { normalPin } from "./pin.js";

const namePrefix = "cn:";

/** undefined when it is valid: `sha256:` and 43 characters of base64url, or `cn:` and a common name. */
export function certificateProblem(text: string): string | undefined {
  if (text.startsWith(namePrefix)) {
    const name = text.slice(namePrefix.length);
    // RFC 5280, appendix A.1: a common name has at most 64 characters.
    if (name === "" || name.length > 64 || name.trim() !== name || /[\p{C}\p{Zl}\p{Zp}]/u.test(name))
      return "a common name has 1 to 64 characters, with no control characters, and no white space at its ends";
    return undefined;
  }
  return normalPin(text) === text
    ? undefined
    : "a certificate is named by its pin (sha256: and 43 characters of base64url, as `iscep cert --show FILE` prints it), " +
        "or, where the server trusts an authority, by cn: and its common name";
}

/**
 * Turns what an administrator gives into the form of the tokens file. They give a pin, `cn:NAME`, or the path or text
 * of a certificate in PEM form, of which the first certificate counts.
 * @throws IscepError `usage` for any other text, `configuration` for a file that is missing or is not a certificate
 */
export function certificateName(given: string): string {
  const text = given.startsWith(namePrefix) ? given : (normalPin(given) ?? pinOfFile(given));
  const problem = certificateProblem(text);
  if (problem !== undefined) throw new IscepError("usage", problem);
  return text;
}

export function nameOfCommonName(commonName: string): string {
  return `${namePrefix}${commonName}`;
}

function pinOfFile(given: string): string {
  if (given.startsWith("sha256:")) return given; // a wrong pin is not a file
  const pem = readPem(given, "certificate");
  try {
    return pinOfCertificate(pem);
  } catch (cause) {
    throw new IscepError("configuration", "the certificate is not in PEM form (-----BEGIN CERTIFICATE-----)", {
      cause,
    });
  }
}
