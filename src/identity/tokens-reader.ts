import { readPrivateText, type PrivateText } from "../files/private-file.js";
import type { Limits } from "../limits/limits.js";

/** @throws IscepError `configuration`: missing, unreadable, too large, not UTF-8, or open to others */
export function readTokensText(path: string, limits: Pick<Limits, "maxTokensFileBytes">): PrivateText {
  return readPrivateText(path, {
    kind: "tokens file",
    maxBytes: limits.maxTokensFileBytes,
    limit: "maxTokensFileBytes",
    whenMissing: "`iscep tokens add OWNER` makes one",
  });
}
