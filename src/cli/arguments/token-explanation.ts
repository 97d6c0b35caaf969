/** Explains what the tokens of an owner allow, and which scope is the reason. */
import { compileScopes } from "../../identity/scopes.js";
import type { ListedToken } from "../../identity/tokens-writer.js";
import { visibleLine } from "../../text/visible-text.js";

export interface ExplainedToken {
  /** null for a token of the original. */
  readonly id: string | null;
  /** Why the token is not valid now; null when it is valid. */
  readonly refused: string | null;
  /** For a question about a command: true when this token may run it. */
  readonly mayRun?: boolean;
  /** The networks from which alone it counts; null for any. */
  readonly networks: readonly string[] | null;
  /** The scopes that are the reason. Without a command: all scopes. */
  readonly scopes: readonly string[];
  /** What each of these scopes means, in the same order. */
  readonly meanings: readonly string[];
}

export function explainTokens(
  tokens: readonly ListedToken[],
  command: string | undefined,
  nowMs: number,
): ExplainedToken[] {
  return tokens.map((token) => {
    const scopes =
      command === undefined ? token.scopes : token.scopes.filter((scope) => compileScopes([scope]).mayRun(command));
    const refused = refusalOf(token, nowMs);
    return {
      id: token.id,
      refused,
      networks: token.cidrs,
      ...(command === undefined ? {} : { mayRun: refused === null && scopes.length > 0 }),
      scopes,
      meanings: scopes.map(meaningOf),
    };
  });
}

function refusalOf({ disabled, notBefore, expires, cidrs }: ListedToken, nowMs: number): string | null {
  if (disabled) return "it is disabled";
  if (notBefore !== null && Date.parse(notBefore) > nowMs) return `it counts only from ${notBefore} on`;
  if (expires !== null && Date.parse(expires) <= nowMs) return `it expired at ${expires}`;
  if (cidrs !== null && cidrs.length === 0) return "it is bound to no network";
  return null;
}

function meaningOf(scope: string): string {
  const [, kind = scope, pattern = "", bound] = /^(run|runs):([^(]*)(?:\((.*)\))?$/s.exec(scope) ?? [];
  const names = pattern === "*" || pattern === "all" ? "every command" : `commands named ${pattern}`;
  if (kind === "runs") return `see, follow and cancel the runs of every owner, of ${names}`;
  if (kind === "run") return `run ${names}${bound === undefined ? "" : `, only with ${bound}`}`;
  if (kind === "metrics") return "read the metrics of the server";
  return "list the commands that it may run";
}

export function explanationText(tokens: readonly ExplainedToken[], owner: string, command: string | undefined): string {
  const lines: string[] = [];
  if (command !== undefined) {
    const may = tokens.some(({ mayRun }) => mayRun === true);
    lines.push(`${visibleLine(owner)} ${may ? "may" : "may not"} run ${visibleLine(command)}`);
  }
  for (const { id, refused, networks, scopes, meanings } of tokens) {
    lines.push(`token ${id ?? "of the original"}${refused === null ? "" : `: ${refused}`}`);
    if (networks !== null && networks.length > 0) lines.push(`  only from ${networks.map(visibleLine).join(", ")}`);
    for (const [index, scope] of scopes.entries())
      lines.push(`  ${visibleLine(scope)}: ${visibleLine(meanings[index] ?? "")}`);
    if (scopes.length === 0)
      lines.push(command === undefined ? "  it has no scope, and may do nothing" : "  no scope of it fits");
  }
  return `${lines.join("\n")}\n`;
}
