/** What ran and what runs, newest first, with filters and pages. The filters stand in the address, so that they can be shared. */
import { useEffect, useState } from "preact/hooks";
import type { JSX } from "preact";
import { fetchRuns, type RunsFilter } from "../api/calls.js";
import { toProblem, type Problem } from "../api/problem.js";
import { endedStatuses, type RunRecord } from "../api/types.js";
import { BlankNote, LoadingRows } from "../parts/blank-note.js";
import { Heading } from "../parts/heading.js";
import { ProblemNote } from "../parts/problem-note.js";
import { RunTable } from "../parts/run-table.js";
import { statusWords } from "../parts/status.js";
import { commands } from "../state/commands.js";
import { useLoaded } from "../state/loaded.js";
import { go, pathOf, route } from "../state/route.js";
import { sessionState } from "../state/session.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { countText } from "../words/time.js";

const pageLimit = 50;
const hourMs = 3_600_000;
const spans: readonly (readonly [value: string, words: string, ms: number])[] = [
  ["1h", "last hour", hourMs],
  ["1d", "last day", 24 * hourMs],
  ["7d", "last 7 days", 168 * hourMs],
  ["30d", "last 30 days", 720 * hourMs],
];

export function RunsView(): JSX.Element {
  const { query } = route.value;
  const [command, status, owner, since] = ["command", "status", "owner", "since"].map((name) => query.get(name) ?? "");
  const sinceMs = spans.find(([value]) => value === since)?.[2];
  const filterOf = (): RunsFilter => ({
    ...(command === "" ? {} : { command: command ?? "" }),
    ...(status === "" ? {} : { status: status ?? "" }),
    ...(owner === "" ? {} : { owner: owner ?? "" }),
    ...(sinceMs === undefined ? {} : { since: Math.floor((Date.now() - sinceMs) / 60_000) * 60_000 }),
    limit: pageLimit,
  });
  const key = `runs ${query}`;
  const first = useLoaded(key, () => fetchRuns(filterOf()), 5_000);
  const older = useOlder(key, filterOf);
  const runs = [
    ...(first.value?.runs ?? []),
    ...older.runs.filter(({ run }) => first.value?.runs.every((each) => each.run !== run)),
  ];
  const next = older.next === undefined ? first.value?.next : older.next;
  const own = sessionState.value.kind === "signed in" ? sessionState.value.session.owner : "";
  const isFiltered = [command, status, owner, since].some((text) => text !== "");

  const choose = (name: string, value: string): void => {
    const chosen = new URLSearchParams(query);
    if (value === "") chosen.delete(name);
    else chosen.set(name, value);
    const text = chosen.toString();
    go(pathOf("runs") + (text === "" ? "" : `?${text}`), { replace: true });
  };

  return (
    <>
      <Heading title="Runs" />
      <div class="filters" role="search" aria-label="Filters">
        <Filter label="Command" value={command ?? ""} onChange={(value) => choose("command", value)}>
          {[
            ...new Set([
              ...(commands.value?.map(({ name }) => name) ?? []),
              ...(command === "" ? [] : [command ?? ""]),
            ]),
          ].map((name) => [name, visibleLine(name)])}
        </Filter>
        <Filter label="Status" value={status ?? ""} onChange={(value) => choose("status", value)}>
          {(["running", ...endedStatuses] as const).map((each) => [each, statusWords[each]])}
        </Filter>
        <Filter label="When" value={since ?? ""} onChange={(value) => choose("since", value)}>
          {spans.map(([value, words]) => [value, words])}
        </Filter>
        {isFiltered && (
          <button type="button" class="link-button" onClick={() => go(pathOf("runs"), { replace: true })}>
            Clear
          </button>
        )}
      </div>
      {first.problem !== undefined && first.value === undefined && (
        <ProblemNote problem={first.problem} onRetry={first.reload} />
      )}
      {first.value === undefined && first.problem === undefined && <LoadingRows rows={10} />}
      {first.value !== undefined && runs.length === 0 && (
        <BlankNote icon="runs" title={isFiltered ? "No run matches these filters" : "Nothing has run yet"}>
          <p>
            {isFiltered
              ? "The server keeps runs for a while, and forgets the oldest. "
              : "What you run stands here afterwards, with its output. "}
            <a href={pathOf("commands")}>To the commands</a>
          </p>
        </BlankNote>
      )}
      {runs.length > 0 && (
        <RunTable runs={runs} label="Runs, newest first" hasOwners={runs.some((run) => run.owner !== own)} />
      )}
      {older.problem !== undefined && <ProblemNote problem={older.problem} />}
      <p class="more">
        {next !== undefined && next !== "" && (
          <button type="button" class="button" disabled={older.isLoading} onClick={() => older.load(next)}>
            {older.isLoading ? "Loading…" : "Show older runs"}
          </button>
        )}
        {runs.length > 0 && <span class="quiet">{countText(runs.length, "run")}</span>}
      </p>
    </>
  );
}

interface FilterProps {
  readonly label: string;
  readonly value: string;
  readonly children: readonly (readonly [value: string, words: string] | readonly string[])[];
  readonly onChange: (value: string) => void;
}

function Filter({ label, value, children, onChange }: FilterProps): JSX.Element {
  return (
    <label class="filter">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">any</option>
        {children.map(([option = "", words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

interface Older {
  readonly runs: readonly RunRecord[];
  /** undefined: no page was loaded yet. "": there are no more. */
  readonly next: string | undefined;
  readonly isLoading: boolean;
  readonly problem: Problem | undefined;
}

function useOlder(key: string, filterOf: () => RunsFilter): Older & { readonly load: (cursor: string) => void } {
  const none: Older = { runs: [], next: undefined, isLoading: false, problem: undefined };
  const [state, setState] = useState(none);
  useEffect(() => setState(none), [key]);
  return {
    ...state,
    load(cursor) {
      setState((before) => ({ ...before, isLoading: true, problem: undefined }));
      fetchRuns({ ...filterOf(), cursor }).then(
        (page) =>
          setState((before) => ({
            runs: [...before.runs, ...page.runs],
            next: page.next ?? "",
            isLoading: false,
            problem: undefined,
          })),
        (error: unknown) => setState((before) => ({ ...before, isLoading: false, problem: toProblem(error) })),
      );
    },
  };
}
