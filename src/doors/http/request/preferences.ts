/** The header Prefer (RFC 7240), as far as this door knows it. */

export interface Preferences {
  /** The caller does not wait for the end of the run. */
  readonly respondAsync: boolean;
  /** How long the caller waits before they are content with the run's address. */
  readonly waitSeconds?: number;
}

export function preferencesOf(header: string | undefined): Preferences {
  let respondAsync = false;
  let waitSeconds: number | undefined;
  for (const preference of (header ?? "").split(",")) {
    const [name = "", value = ""] = (preference.split(";", 1)[0] ?? "").split("=").map((part) => part.trim());
    if (name.toLowerCase() === "respond-async") respondAsync = true;
    const seconds = /^"?(\d{1,9})"?$/.exec(value)?.[1];
    if (name.toLowerCase() === "wait" && seconds !== undefined) waitSeconds ??= Number(seconds);
  }
  return { respondAsync, ...(waitSeconds === undefined ? {} : { waitSeconds }) };
}

/** True when the caller wants to hear of the run while it goes on. */
export function acceptsEvents(header: string | undefined): boolean {
  return /(?:^|,)\s*text\/event-stream\s*(?:[;,]|$)/i.test(header ?? "");
}
