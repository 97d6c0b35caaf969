/**
 * The secrets that this process has in its hands, whatever run they belong to: what is written of a fault that belongs to
 * none, such as a rejection that nobody handles, must not hold them either. One list for the process, as such faults are
 * its own.
 */
import { formsOf, maskForms } from "../text/secret-forms.js";

interface KnownSecret {
  forms: readonly string[] | undefined;
  /** Runs under way that have it. */
  uses: number;
  endedAtMs: number;
}

// A promise that was left alone may fail long after the run that made it; what is remembered costs memory all the while.
const memoryMs = 600_000;
const maxEnded = 100;
const maxEndedCharacters = 1024 * 1024;

/** In the order of their last end, those under way wherever they are. */
const known = new Map<string, KnownSecret>();

/** For a run that begins. The function that is returned is called at its end; the secret is known for a while longer. */
export function useSecrets(secrets: readonly string[]): () => void {
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

function* knownForms(): Generator<string> {
  for (const [secret, entry] of known) yield* (entry.forms ??= formsOf(secret));
}
