/** Reads `limits:` of iscep.yaml: the names of src/limits/, in the form of YAML. */
import { clientLimits } from "../limits/clients.js";
import { limitTable, type Limit, type LimitName, type Limits } from "../limits/limits.js";
import { mapOf, type KeyTable, type ValueKind } from "./keys.js";
import { bytes, milliseconds, wholeNumber } from "./values.js";

/**
 * Limits of clients and of other verbs, and those that are used before a configuration is read. Here they would change
 * nothing.
 */
const notOfTheServer: readonly string[] = [
  ...Object.keys(clientLimits),
  "maxConfigurationBytes",
  "maxYamlAliases",
  "maxArgumentBytes",
  "maxArgvElementBytes",
  "maxArgumentItems",
  "maxPatternSize",
  "maxPatternSteps",
  "maxShownProblems",
  "maxShownCharacters",
  "fileLockTimeoutMs",
  "processScanTimeoutMs",
  "tokenLifetimeDays",
  "certificateLifetimeDays",
];

/** `maxPacketBytes` becomes `max_packet_bytes`. */
export function limitKey(name: string): string {
  return name
    .replace("KiB", "Kib")
    .replaceAll(/(?<=[a-z])(?=[0-9A-Z])|(?<=[0-9])(?=[A-Z])/g, "_")
    .toLowerCase();
}

function kindOf(name: string, { min = 0, max }: Limit) {
  if (name.endsWith("Ms")) return milliseconds(min, max);
  if (name.endsWith("Bytes")) return bytes(min, max);
  return wholeNumber(min, max);
}

function sentence(reason: string): string {
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;
}

const names = (Object.keys(limitTable) as LimitName[]).filter((name) => !notOfTheServer.includes(name));

export const limitKeys: KeyTable<Record<string, number>> = Object.fromEntries(
  names.map((name) => [
    limitKey(name),
    {
      field: name,
      kind: kindOf(name, limitTable[name]),
      says: sentence(limitTable[name].reason),
      default: String(limitTable[name].default),
    },
  ]),
);

export const limits: ValueKind<Partial<Limits>> = mapOf<Record<string, number>>("map of limits", limitKeys);
