/** What this token may do, and why; and until when. */
import type { JSX } from "preact";
import { fetchSession } from "../api/calls.js";
import { LoadingRows } from "../parts/blank-note.js";
import { Heading } from "../parts/heading.js";
import { ProblemNote } from "../parts/problem-note.js";
import { nowMs } from "../state/clock.js";
import { commands } from "../state/commands.js";
import { useLoaded } from "../state/loaded.js";
import { pathOf } from "../state/route.js";
import { leave } from "../state/session.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { dateTimeOf, remainingText } from "../words/time.js";

export function AccessView(): JSX.Element {
  const { value: session, problem, reload } = useLoaded("session", fetchSession, 30_000);
  return (
    <>
      <Heading title="Access" />
      {problem !== undefined && session === undefined && <ProblemNote problem={problem} onRetry={reload} />}
      {session === undefined && problem === undefined && <LoadingRows rows={4} />}
      {session !== undefined && (
        <>
          <div class="card">
            <dl class="account-facts">
              <div>
                <dt>Owner</dt>
                <dd>{session.owner === "" ? "nobody in particular" : visibleLine(session.owner)}</dd>
              </div>
              {session.tokenId !== undefined && (
                <div>
                  <dt>Token</dt>
                  <dd>
                    <code>{visibleLine(session.tokenId)}</code>
                  </dd>
                </div>
              )}
              <div>
                <dt>Valid until</dt>
                <dd>
                  {session.expiresAtMs === undefined ? (
                    session.isOpen ? (
                      "–"
                    ) : (
                      "it is removed"
                    )
                  ) : (
                    <>
                      {dateTimeOf(session.expiresAtMs)}{" "}
                      <span class="quiet">({remainingText(session.expiresAtMs - nowMs.value)})</span>
                    </>
                  )}
                </dd>
              </div>
              <div>
                <dt>Scopes</dt>
                <dd>
                  {session.isOpen ? (
                    "This server asks for no token: everybody who reaches it may do everything"
                  ) : session.scopes === undefined ? (
                    "none, so it may do everything"
                  ) : (
                    <ul class="scopes">
                      {session.scopes.map((scope) => (
                        <li key={scope}>
                          <code>{visibleLine(scope)}</code> <span class="quiet">{scopeWords(scope)}</span>
                        </li>
                      ))}
                    </ul>
                  )}
                </dd>
              </div>
            </dl>
            {!session.isOpen && (
              <div class="actions">
                <button type="button" class="button" onClick={() => void leave()}>
                  Sign out
                </button>
              </div>
            )}
          </div>
          <Rights rights={session.isOpen ? [] : session.rights} />
        </>
      )}
    </>
  );
}

function Rights({
  rights,
}: {
  readonly rights: readonly { readonly command: string; readonly why: string }[];
}): JSX.Element {
  const shown = rights.length > 0 ? rights : (commands.value ?? []).map(({ name }) => ({ command: name, why: "" }));
  return (
    <section class="below" aria-labelledby="rights-title">
      <h2 id="rights-title">Commands that it may run</h2>
      {shown.length === 0 && <p class="quiet">None.</p>}
      <ul class="rights">
        {shown.map(({ command, why }) => (
          <li key={command}>
            <a href={pathOf("commands", command)}>{visibleLine(command)}</a>
            {why !== "" && <span class="quiet">by {visibleLine(why)}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The words of a scope: `run:NAME`, `runs:all`, and others that this page need not know. */
function scopeWords(scope: string): string {
  const [verb = "", ...rest] = scope.split(":");
  const what = rest.join(":");
  if (scope === "*") return "everything";
  if (verb === "run" && what === "*") return "run every command";
  if (verb === "run") return `run ${visibleLine(what)}`;
  if (verb === "runs")
    return what === "*" || what === "all"
      ? "see and cancel the runs of all owners"
      : `see and cancel all runs of ${visibleLine(what)}`;
  return "";
}
