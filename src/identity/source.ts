/** Reads where a caller comes from, for limits, penalties, and tokens that are bound to networks. */
import { BlockList, isIP } from "node:net";

/**
 * The key under which an address is counted. An IPv4 address counts as itself, even when it comes mapped into IPv6. An
 * IPv6 address counts as its /64, because one household has all of that. Anything else (`unix`) counts as itself.
 */
export function sourceKey(address: string): string {
  const plain = plainAddress(address);
  return isIP(plain) === 6 ? `${ipv6Groups(plain).slice(0, 4).join(":")}::/64` : plain;
}

/**
 * A sentence that says what is wrong with a network such as `10.0.0.0/8` or `2001:db8::1`, or undefined when it is
 * valid.
 */
export function cidrProblem(cidr: string): string | undefined {
  return parseCidr(cidr) === undefined
    ? `${JSON.stringify(cidr)} is not an address or network such as "10.0.0.0/8"`
    : undefined;
}

/** `cidrProblem` must have checked the networks. Unix sockets and unknown sources are in no network. */
export function compileCidrs(cidrs: readonly string[]): (address: string) => boolean {
  const networks = new BlockList();
  for (const cidr of cidrs) {
    const parsed = parseCidr(cidr);
    if (parsed !== undefined) networks.addSubnet(parsed.network, parsed.prefix, parsed.family);
  }
  return (address) => {
    const plain = plainAddress(address);
    const family = isIP(plain);
    return family !== 0 && networks.check(plain, family === 6 ? "ipv6" : "ipv4");
  };
}

function parseCidr(cidr: string): { network: string; prefix: number; family: "ipv4" | "ipv6" } | undefined {
  const [, network = "", prefixText] = /^([0-9A-Fa-f.:]+)(?:\/([0-9]{1,3}))?$/.exec(cidr) ?? [];
  const version = isIP(network);
  if (version === 0) return undefined;
  const bits = version === 6 ? 128 : 32;
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  return prefix > bits ? undefined : { network, prefix, family: version === 6 ? "ipv6" : "ipv4" };
}

function plainAddress(address: string): string {
  const [withoutZone = ""] = address.split("%", 1);
  if (isIP(withoutZone) !== 6) return withoutZone;
  const groups = ipv6Groups(withoutZone);
  const mapped = groups.slice(0, 5).every((group) => group === "0") && groups[5] === "ffff";
  if (!mapped) return withoutZone;
  return groups
    .slice(6)
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff])
    .join(".");
}

/** The eight groups in lower-case hex without leading zeros. The address must be valid. */
function ipv6Groups(address: string): string[] {
  const hex = address.replace(/[0-9]+(?:\.[0-9]+){3}$/, (dotted) => {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.split(".").map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = "", tail] = hex.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => "0");
  return [...front, ...zeros, ...back].map((group) => Number.parseInt(group, 16).toString(16));
}
