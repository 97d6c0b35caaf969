import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { defaultLimits } from "iscep";
import { limitKeys } from "#iscep/configuration/limits";

/** Other verbs of the command line and the client have no iscep.yaml to go by. */
const ofOthers = /^(?:client|limits|cli\/(?!serving|verbs\/serve))|^configuration\/limits/;

const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
  .map((file) => file.split(path.sep).join("/"))
  .filter((file) => file.endsWith(".ts") && !ofOthers.test(file))
  .map((file) => readFileSync(path.join("src", file), "utf8"));

/** Whether some source takes the limit from what it is given: one that names the defaults takes no other value. */
function isGiven(name: string): boolean {
  const word = new RegExp(`\\b${name}\\b`);
  const fromDefaults = new RegExp(`defaultLimits\\.${name}\\b|\\{[^{}]*\\b${name}\\b[^{}]*\\} = defaultLimits`);
  return sources.some((text) => word.test(text) && !fromDefaults.test(text));
}

test("the server waits for a caller at least as long as a client tries to come back", () => {
  expect(defaultLimits.callerGraceMs).toBeGreaterThan(defaultLimits.reconnectTimeoutMs);
});

test("a limit that iscep.yaml takes changes something", () => {
  expect(isGiven("maxConfigurationBytes")).toBe(false);
  const taken = Object.values(limitKeys).map(({ field }) => field);
  expect(taken.length).toBeGreaterThan(50);
  expect(taken.filter((name) => !isGiven(name))).toEqual([]);
});
