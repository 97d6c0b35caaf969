/**
 * The sizes of terminals that this tab gave to runs. The output of a run does not tell its size, so after a reload it can
 * only be drawn as it was with the size that the tab remembers.
 */
import { optionalNumber } from "../api/reading.js";
import { isRecord } from "../forms/field.js";
import type { TerminalSize } from "../output/terminal-screen.js";
import { withinBounds } from "../typing/fitting-size.js";
import { TabMemory } from "./tab-memory.js";

const memory = new TabMemory("iscep.terminals");

export function rememberSize(run: string, { columns, rows }: TerminalSize): void {
  memory.set(run, { columns, rows });
}

export function rememberedSize(run: string): TerminalSize | undefined {
  const found = memory.get(run);
  if (!isRecord(found)) return undefined;
  const [columns, rows] = [optionalNumber(found["columns"]), optionalNumber(found["rows"])];
  return columns === undefined || rows === undefined ? undefined : withinBounds({ columns, rows });
}

export function forgetSizes(): void {
  memory.forget();
}
