/** Asks for a token, once. The page does not keep it: the server gives a cookie that no script can read. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { toProblem, type Problem } from "../api/problem.js";
import { Icon } from "../parts/icon.js";
import { visibleText } from "../../../src/text/visible-text.js";
import { enter } from "../state/session.js";

export function SignInView({ hasExpired }: { readonly hasExpired: boolean }): JSX.Element {
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = "Sign in · iscep";
    field.current?.focus();
  }, []);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const token = field.current?.value.trim() ?? "";
    if (token === "") {
      field.current?.focus();
      return;
    }
    setBusy(true);
    setProblem(undefined);
    try {
      await enter(tokenIn(token));
    } catch (error) {
      setProblem(toProblem(error));
      setBusy(false);
      field.current?.select();
    }
  };

  const fault =
    problem === undefined
      ? undefined
      : problem.facts.status === 401
        ? "The server does not know this token, or it has expired."
        : visibleText(problem.facts.detail);
  return (
    <main class="lonely" id="main">
      <form class="sign-in" onSubmit={(event) => void submit(event)}>
        <svg class="sign-in-mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
          <rect width="32" height="32" rx="8" />
          <path d="M9 11l5 5-5 5M17 22h7" />
        </svg>
        <h1>Sign in</h1>
        <p class="quiet" role="status">
          {hasExpired
            ? "Your sign-in has ended. What you started goes on; show your token again to see it."
            : "Show the token that you were given. It says which commands you may run."}
        </p>
        <div class="field">
          <label for="token">Token</label>
          <input
            ref={field}
            id="token"
            name="token"
            type="password"
            autocomplete="current-password"
            spellcheck={false}
            required
            aria-invalid={fault === undefined ? undefined : "true"}
            aria-describedby="token-note"
          />
          <p
            id="token-note"
            class={fault === undefined ? "field-note" : "field-fault"}
            role={fault === undefined ? undefined : "alert"}
          >
            {fault ?? "It begins with isct_. An address with a token in it works, too."}
          </p>
        </div>
        <button type="submit" class="button is-main" disabled={isBusy}>
          <Icon name="access" />
          {isBusy ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}

/** People paste the whole address that `iscep init` printed. */
function tokenIn(text: string): string {
  return /\bisct_[\w-]+/.exec(text)?.[0] ?? text;
}
