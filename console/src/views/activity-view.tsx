/** What ran in the last time: how often, how it ended, how long it took; as charts, and as a table by command. */
import type { JSX } from "preact";
import { fetchRuns } from "../api/calls.js";
import type { RunRecord } from "../api/types.js";
import { ActivityCharts } from "../parts/activity-charts.js";
import { BlankNote, LoadingRows } from "../parts/blank-note.js";
import { Heading } from "../parts/heading.js";
import { Moment } from "../parts/moment.js";
import { ProblemNote } from "../parts/problem-note.js";
import { useLoaded } from "../state/loaded.js";
import { go, pathOf, route } from "../state/route.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { hasFailed, statisticsOf } from "../words/statistics.js";
import { countText, durationText } from "../words/time.js";

const hourMs = 3_600_000;
const spans: readonly (readonly [value: string, words: string, ms: number])[] = [
  ["1d", "24 hours", 24 * hourMs],
  ["7d", "7 days", 168 * hourMs],
  ["30d", "30 days", 720 * hourMs],
];
const pageLimit = 200;
const maxRuns = 2_000;

interface Activity {
  readonly runs: readonly RunRecord[];
  readonly isCut: boolean;
  readonly fromMs: number;
  readonly toMs: number;
}

async function fetchActivity(spanMs: number): Promise<Activity> {
  const toMs = Date.now();
  const fromMs = toMs - spanMs;
  const runs: RunRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await fetchRuns({ since: fromMs, limit: pageLimit, ...(cursor === undefined ? {} : { cursor }) });
    runs.push(...page.runs);
    cursor = page.next;
  } while (cursor !== undefined && runs.length < maxRuns);
  return { runs, isCut: cursor !== undefined, fromMs, toMs };
}

export function ActivityView(): JSX.Element {
  const [chosen, , spanMs] = spans.find(([value]) => value === route.value.query.get("span")) ??
    spans[1] ?? ["7d", "", 168 * hourMs];
  const { value, problem, reload } = useLoaded(`activity ${chosen}`, () => fetchActivity(spanMs), 60_000);
  const failed = value?.runs.filter(hasFailed).length ?? 0;
  return (
    <>
      <Heading title="Activity">
        <div class="segments" role="radiogroup" aria-label="Time">
          {spans.map(([span, words]) => (
            <label key={span}>
              <input
                type="radio"
                class="unseen"
                name="span"
                checked={span === chosen}
                onChange={() => go(`${pathOf("activity")}?span=${span}`, { replace: true })}
              />
              <span>{words}</span>
            </label>
          ))}
        </div>
      </Heading>
      {problem !== undefined && value === undefined && <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined && <LoadingRows rows={8} />}
      {value?.runs.length === 0 && (
        <BlankNote icon="activity" title="Nothing ran in this time">
          <p>
            Charts of runs, outcomes and durations stand here when something has run.{" "}
            <a href={pathOf("commands")}>To the commands</a>
          </p>
        </BlankNote>
      )}
      {value !== undefined && value.runs.length > 0 && (
        <>
          <p class="facts">
            <span>{countText(value.runs.length, "run")}</span>
            <span>{failed === 0 ? "none failed" : `${countText(failed, "run")} failed`}</span>
            {value.isCut && <span>the newest {maxRuns.toLocaleString("en-US")} only</span>}
          </p>
          <ActivityCharts {...value} />
          <ByCommand runs={value.runs} />
        </>
      )}
    </>
  );
}

function ByCommand({ runs }: { readonly runs: readonly RunRecord[] }): JSX.Element {
  const duration = (ms: number | undefined): string => (ms === undefined ? "–" : durationText(ms));
  return (
    <section class="below" aria-labelledby="by-command">
      <h2 id="by-command">By command</h2>
      <div class="table-box" tabIndex={0} role="region" aria-label="Table">
        <table class="runs numbers">
          <thead>
            <tr>
              <th scope="col">Command</th>
              <th scope="col" class="is-number">
                Runs
              </th>
              <th scope="col" class="is-number">
                Failed
              </th>
              <th scope="col" class="is-number">
                Median
              </th>
              <th scope="col" class="is-number">
                Longest
              </th>
              <th scope="col">Last</th>
            </tr>
          </thead>
          <tbody>
            {statisticsOf(runs).map(({ command, runs: count, failed, medianMs, longestMs, lastMs }) => (
              <tr key={command}>
                <th scope="row">
                  <a href={`${pathOf("runs")}?command=${encodeURIComponent(command)}`}>{visibleLine(command)}</a>
                </th>
                <td class="is-number" data-label="runs">
                  {count}
                </td>
                <td data-label="failed" class={failed > 0 ? "is-number is-bad-number" : "is-number quiet"}>
                  {failed}
                </td>
                <td class="is-number" data-label="median">
                  {duration(medianMs)}
                </td>
                <td class="is-number" data-label="longest">
                  {duration(longestMs)}
                </td>
                <td class="quiet" data-label="last">
                  <Moment timeMs={lastMs} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
