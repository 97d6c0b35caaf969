/**
 * A pin in the form that `iscep cert` prints; undefined for text that is not a pin. It also accepts the other alphabet
 * of base64 and its padding, because other tools print SPKI hashes so.
 */
export function normalPin(pin: string): string | undefined {
  const normal = pin.trim().replace(/=+$/, "").replaceAll("+", "-").replaceAll("/", "_");
  const bytes = Buffer.from(normal.slice("sha256:".length), "base64url");
  const isPin = /^sha256:[0-9A-Za-z_-]{43}$/.test(normal) && `sha256:${bytes.toString("base64url")}` === normal;
  return isPin ? normal : undefined;
}
