/** Copies output as text. */
import type { OutputModel } from "../output/output-model.js";
import { announce } from "../state/announce.js";

/** More is a matter for the download. */
const maxCopiedCharacters = 32 * 2 ** 20;

/** Copies the marked lines, or all of them. Returns a word about what happened. */
export async function copyLines(
  model: OutputModel,
  marked: { readonly from: number; readonly to: number } | undefined,
): Promise<string> {
  const [from, to] = marked === undefined ? [model.first, model.lineEnd] : [marked.from, marked.to + 1];
  let text = "";
  for (const part of model.textOf(from, to)) {
    text += part;
    if (text.length > maxCopiedCharacters) return say("Too long; download it");
  }
  return say((await copyText(text)) ? "Copied" : "The browser did not allow it");
}

export async function copyText(text: string): Promise<boolean> {
  try {
    // It exists only in secure contexts: with TLS, or on this machine.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function say(text: string): string {
  announce(text);
  return text;
}
