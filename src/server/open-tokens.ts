import { openTokenStore } from "../identity/token-store.js";
import type { Limits } from "../limits/limits.js";
import type { TokensAuthenticator } from "../model/identity.js";
import type { Logs } from "../model/logs.js";

/** Opens the tokens file, if there is one. @throws IscepError `configuration` */
export function openTokens(
  tokens: string | false | undefined,
  limits: Limits,
  logs: Logs | undefined,
): TokensAuthenticator | undefined {
  if (typeof tokens !== "string") return undefined;
  return openTokenStore(tokens, {
    limits,
    onProblem: (message, error) => logs?.error({ event: "tokens_file", message, error }),
  });
}
