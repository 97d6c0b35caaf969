/** A configuration that iscep check looks at. */
import { expect } from "vitest";
import { iscep, type Ended } from "./iscep.js";

export interface Finding {
  readonly level: string;
  readonly about: string;
  readonly message: string;
}

export function check(folder: string, ...words: string[]): Promise<Ended> {
  return iscep(["check", ...words], { folder });
}

export async function findings(
  folder: string,
  ...words: string[]
): Promise<{ ok: boolean; code: number | null; findings: Finding[] }> {
  const { code, stdout, stderr } = await check(folder, "--json", ...words);
  expect(stderr).toBe("");
  return { code, ...(JSON.parse(stdout) as { ok: boolean; findings: Finding[] }) };
}
