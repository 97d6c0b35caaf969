/**
 * The secrets that this process knows, of all runs. Some faults belong to no run, such as an unhandled rejection, and
 * their text must not contain secrets either. There is one list for the process, because such faults belong to the
 * process.
 */
import { maskThrown } from "../model/secrets.js";
import { formsOf, maskForms } from "../text/secret-forms.js";

interface KnownSecret {
  forms: readonly string[] | undefined;
  /** How many runs that go on have this secret. */
  uses: number;
  endedAtMs: number;
}

// A promise without a handler may fail long after the run that made it. But to remember secrets costs memory all the
// time.
const memoryMs = 600_000;
const maxEnded = 100;
const maxEndedCharacters = 1024 * 1024;
// Callers choose the values. A short one stands in every other text, and would make the logs of everybody unreadable. The
// faults of its own run are masked all the same, by the run.
const minCharacters = 6;

/** In the order of their last end. Those of running runs may be anywhere. */
const known = new Map<string, KnownSecret>();

/**
 * Call this for a run that begins, and call the returned function at its end. The secret is known for a while longer.
 */
export function useSecrets(all: readonly string[]): () => void {
  const secrets = all.filter((secret) => secret.length >= minCharacters);
  for (const secret of secrets) {
    const entry = known.get(secret) ?? { forms: undefined, uses: 0, endedAtMs: 0 };
    entry.uses++;
    known.set(secret, entry);
  }
  return () => {
    for (const secret of secrets) {
      const entry = known.get(secret);
      if (entry === undefined) continue;
      known.delete(secret);
      known.set(secret, { ...entry, uses: entry.uses - 1, endedAtMs: performance.now() });
    }
    forget();
  };
}

/** From the last that ended to the first, as far as there is time and room. */
function forget(): void {
  const oldestMs = performance.now() - memoryMs;
  let count = 0;
  let characters = 0;
  for (const [secret, { uses, endedAtMs }] of [...known].reverse()) {
    if (uses > 0) continue;
    count++;
    characters += secret.length;
    if (endedAtMs < oldestMs || count > maxEnded || characters > maxEndedCharacters) known.delete(secret);
  }
}

export function maskKnown(text: string): string {
  if (known.size === 0) return text;
  forget();
  return maskForms(text, knownForms());
}

/** The same for what was thrown, with its causes. */
export function maskKnownThrown(thrown: unknown, maxCauses: number): unknown {
  if (known.size === 0) return thrown;
  forget();
  return maskThrown(thrown, [...known.keys()], maxCauses);
}

function* knownForms(): Generator<string> {
  for (const [secret, entry] of known) yield* (entry.forms ??= formsOf(secret));
}
