/** `iscep tokens add OWNER --certificate …`: a client certificate in place of a token. */
import { IscepError } from "../errors.js";
import { defaultLimits } from "../limits/limits.js";
import { certificateName } from "./certificate-entry.js";
import { changeTokensFile } from "./tokens-change.js";
import { certificateRecordOf, isCertificateRecord, type CertificateRecord } from "./tokens-file.js";
import { checkedTerms, type AddTokenOptions } from "./tokens-writer.js";
import { quoteUnlessToken } from "./tokens.js";

/**
 * Adds a client certificate to the owner's entries, in all other ways as `addToken`.
 * @throws IscepError as `addToken`, and `usage` when the file already has the certificate, under any owner
 */
export async function addCertificate(
  path: string,
  options: AddTokenOptions & {
    /** A pin, `cn:NAME`, or the path or text of a certificate in PEM form. */
    readonly certificate: string;
  },
): Promise<CertificateRecord> {
  const certificate = certificateName(options.certificate);
  const { owner, limits = defaultLimits } = options;
  const record = certificateRecordOf(certificate, checkedTerms(options));
  await changeTokensFile(path, limits, true, (owners) => {
    for (const [other, entries] of owners) {
      const same = entries.filter(isCertificateRecord).find((entry) => entry.certificate === certificate);
      if (same === undefined) continue;
      const whose = `${quoteUnlessToken(other)} has this certificate already (${same.id})`;
      throw new IscepError("usage", `${whose}; remove it first: iscep tokens remove ${same.id}`);
    }
    owners.set(owner, [...(owners.get(owner) ?? []), record]);
  });
  return record;
}
