/** What a webhook is, when its definition was checked. */
import type { SecretPlace } from "../files/secret-place.js";

/** `unsigned` lets in everybody who knows the address. */
export const hookKinds = ["github", "standard", "hmac", "unsigned"] as const;
export type HookKind = (typeof hookKinds)[number];

/** A JSON pointer (RFC 6901) into the body, or the name of a header. */
export type HookSource = { readonly pointer: readonly string[] } | { readonly header: string };

export interface Hook {
  readonly name: string;
  readonly command: string;
  readonly kind: HookKind;
  /** Any of these may have signed. There are several while one takes the place of another. */
  readonly secrets: readonly SecretPlace[];
  /** Where a plain HMAC stands in the request. */
  readonly signatureHeader: string;
  /** The header with the id of a delivery: a delivery that comes again does not run again. */
  readonly idHeader: string | undefined;
  readonly args: ReadonlyMap<string, { readonly value: unknown } | { readonly from: HookSource }>;
  /** A delivery runs only when each source has one of its values. */
  readonly when: readonly { readonly from: HookSource; readonly values: readonly unknown[] }[];
}

/** The owner of its runs. */
export function ownerOfHook(name: string): string {
  return `hook:${name}`;
}
