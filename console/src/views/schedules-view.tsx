/** What runs by itself, and when, in words. */
import type { JSX } from "preact";
import { fetchSchedules } from "../api/calls.js";
import type { Schedule } from "../api/types.js";
import { ArgumentList } from "../parts/argument-list.js";
import { BlankNote, LoadingRows } from "../parts/blank-note.js";
import { Heading } from "../parts/heading.js";
import { Moment } from "../parts/moment.js";
import { ProblemNote } from "../parts/problem-note.js";
import { Status } from "../parts/status.js";
import { useLoaded } from "../state/loaded.js";
import { pathOf } from "../state/route.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { cronInWords } from "../words/cron.js";
import { dateTimeOf } from "../words/time.js";

export function SchedulesView(): JSX.Element {
  const { value, problem, reload } = useLoaded("schedules", fetchSchedules, 15_000);
  return (
    <>
      <Heading title="Schedules" />
      {problem !== undefined && value === undefined && <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined && <LoadingRows rows={3} />}
      {value?.length === 0 && (
        <BlankNote icon="schedules" title="Nothing runs by itself">
          <p>
            A command with <code>schedule:</code> in iscep.yaml runs at its times without a caller, and then stands
            here.
          </p>
        </BlankNote>
      )}
      <ul class="schedules">
        {value?.map((schedule) => (
          <li key={`${schedule.command} ${schedule.cron}`} class="card">
            <ScheduleCard schedule={schedule} />
          </li>
        ))}
      </ul>
    </>
  );
}

function ScheduleCard({ schedule }: { readonly schedule: Schedule }): JSX.Element {
  const { command, cron, timeZone, nextTimesMs, lastAtMs, lastStatus, lastRun, args } = schedule;
  const words = cronInWords(cron);
  const [nextAtMs, ...laterMs] = nextTimesMs;
  return (
    <>
      <h2>
        <a href={pathOf("commands", command)}>{visibleLine(command)}</a>
      </h2>
      <p class="schedule-words">{words.charAt(0).toUpperCase() + visibleLine(words.slice(1))}</p>
      <dl class="schedule-times">
        <div>
          <dt>Next</dt>
          <dd>
            <Moment timeMs={nextAtMs} />
            {nextAtMs !== undefined && (
              <span class="quiet">
                {[nextAtMs, ...laterMs.slice(0, 2)].map((timeMs) => dateTimeOf(timeMs, timeZone)).join(", then ")}
              </span>
            )}
          </dd>
        </div>
        <div>
          <dt>Last</dt>
          <dd>
            {lastStatus !== undefined && <Status status={lastStatus} />}
            {lastRun === undefined ? (
              <Moment timeMs={lastAtMs} />
            ) : (
              <a href={pathOf("runs", lastRun)}>
                <Moment timeMs={lastAtMs} />
              </a>
            )}
          </dd>
        </div>
        <div>
          <dt>Pattern</dt>
          <dd>
            <code>{visibleLine(cron)}</code>
            <span class="quiet">{visibleLine(timeZone)}</span>
          </dd>
        </div>
      </dl>
      <ArgumentList args={args} />
    </>
  );
}
