/** Shows runs to a person. */
import type { RunRecord } from "../../model/run-record.js";
import { alignColumns } from "../arguments/table.js";
import { visibleLine } from "../../text/visible-text.js";

const columns: readonly (readonly [heading: string, cell: (run: RunRecord, nowMs: number) => string])[] = [
  ["RUN", ({ run }) => visibleLine(run)],
  ["COMMAND", ({ command }) => visibleLine(command)],
  ["OWNER", ({ owner }) => visibleLine(owner)],
  ["STATUS", statusText],
  ["STARTED", ({ startedAtMs }) => timeText(startedAtMs)],
  ["DURATION", ({ startedAtMs, endedAtMs }, nowMs) => durationText((endedAtMs ?? nowMs) - startedAtMs)],
  ["OUTPUT", ({ outputBytes }) => bytesText(outputBytes)],
];

/** The lines of the table. The first one has the headings. */
export function runTable(runs: readonly RunRecord[], nowMs: number, withOwners = false): string[] {
  const shown = columns.filter(([heading]) => withOwners || heading !== "OWNER");
  const rows = runs.map((run) => shown.map(([, cell]) => cell(run, nowMs)));
  return alignColumns([shown.map(([heading]) => heading), ...rows]);
}

/** One run, with a line for each thing that is known about it. */
export function runText(run: RunRecord, nowMs: number): string {
  const rows = [
    ["run", visibleLine(run.run)],
    ["command", visibleLine(run.command)],
    ["owner", visibleLine(run.owner)],
    ...argumentRows(run),
    ["status", statusText(run)],
    ["started", timeText(run.startedAtMs)],
    ...(run.endedAtMs === undefined ? [] : [["ended", timeText(run.endedAtMs)]]),
    ["duration", durationText((run.endedAtMs ?? nowMs) - run.startedAtMs)],
    ["output", bytesText(run.outputBytes) + changesText(run)],
  ];
  return `${alignColumns(rows).join("\n")}\n`;
}

/** Only runs whose command has `log_args` have kept arguments. */
function argumentRows({ arguments: values, argumentsOmitted: omitted = [] }: RunRecord): string[][] {
  const rows = Object.entries(values ?? {}).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const texts = [...rows, ...omitted.map((name) => `${name}: not kept`)];
  return texts.map((text, index) => [index === 0 ? "arguments" : "", visibleLine(text)]);
}

function changesText({ truncated, masked }: RunRecord): string {
  const changes = [
    ...(truncated === true ? ["truncated: the rest of what it printed was dropped"] : []),
    ...(masked === true ? ["masked: *** stands for secrets"] : []),
  ];
  return changes.length === 0 ? "" : ` (${changes.join("; ")})`;
}

/** `failed (exit code 3)`, `killed (SIGKILL)`, `rejected (busy)`. */
function statusText({ status, code, exitCode, signal }: RunRecord): string {
  const detail =
    signal ?? (exitCode !== undefined && exitCode !== 0 ? `exit code ${exitCode}` : code === status ? undefined : code);
  return visibleLine(detail === undefined ? status : `${status} (${detail})`);
}

/** The local time, to the second, in a form that sorts. */
function timeText(timeMs: number): string {
  const date = new Date(timeMs);
  if (Number.isNaN(date.getTime())) return "-";
  const two = (value: number): string => String(value).padStart(2, "0");
  return (
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  );
}

/** Clocks differ, so a run on another machine may seem to begin in the future. */
export function durationText(durationMs: number): string {
  const ms = Math.max(0, Math.round(durationMs));
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (minutes < 60) return `${minutes}m ${two(Math.floor(ms / 1_000) % 60)}s`;
  return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
}

export function bytesText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1_024;
  let unit = 0;
  while (value >= 1_023.95 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}
