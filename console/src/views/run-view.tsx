/** One run: how it stands, its arguments, its output, and what can be done with it. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { JSX } from "preact";
import { cancelRun } from "../api/calls.js";
import { toProblem, type Problem } from "../api/problem.js";
import type { RunRecord } from "../api/types.js";
import { ArgumentList } from "../parts/argument-list.js";
import { LoadingRows } from "../parts/blank-note.js";
import { Heading } from "../parts/heading.js";
import { Icon } from "../parts/icon.js";
import { LineField } from "../parts/line-field.js";
import { Duration, Moment } from "../parts/moment.js";
import { OutputTeller } from "../parts/output-teller.js";
import { OutputView } from "../parts/output-view.js";
import { ProblemNote } from "../parts/problem-note.js";
import { RunEnd } from "../parts/run-end.js";
import { Status, statusWords } from "../parts/status.js";
import { announce } from "../state/announce.js";
import { LiveRun } from "../state/live-run.js";
import { rememberedArguments } from "../state/remembered-runs.js";
import { pathOf } from "../state/route.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { sizeText } from "../words/time.js";

export function RunView({ run }: { readonly run: string }): JSX.Element {
  const live = useMemo(() => new LiveRun(run), [run]);
  useEffect(() => {
    live.start();
    return () => live.stop();
  }, [live]);
  const record = live.record.value;
  const problem = live.problem.value;
  if (record === undefined) {
    return (
      <>
        <Heading title="Run" />
        {problem === undefined ? <LoadingRows /> : <ProblemNote problem={problem} />}
        {problem === undefined && !live.isConnected.value && (
          <p class="notice" role="status">
            The server has not said yet what this run is. Its output is shown as soon as it does.
          </p>
        )}
        {problem !== undefined && (
          <p>
            <a href={pathOf("runs")}>All runs that this token may see</a>
          </p>
        )}
      </>
    );
  }
  return <KnownRun live={live} record={record} problem={problem} />;
}

interface Props {
  readonly live: LiveRun;
  readonly record: RunRecord;
  readonly problem: Problem | undefined;
}

function KnownRun({ live, record, problem }: Props): JSX.Element {
  const { status, command } = record;
  const args = record.args ?? rememberedArguments(live.id);
  const isRunning = status === "running";
  const typing = live.typing.value;
  const place = live.queuePlace.value;
  const [wasRunning] = useState(isRunning);
  useEffect(() => {
    if (!isRunning && wasRunning) announce(`${statusWords[status]}.`);
  }, [isRunning]);
  return (
    <div class="run">
      <Heading title={visibleLine(command)} page={`${statusWords[status]}: ${visibleLine(command)}`}>
        <Status status={status} label={isRunning && place > 0 ? `Waiting, place ${place}` : statusWords[status]} />
        <div class="actions">
          {isRunning && <CancelButton live={live} />}
          <a class="button" href={`${pathOf("commands", command)}?from=${encodeURIComponent(live.id)}`}>
            <Icon name="edit" />
            Edit and run again
          </a>
        </div>
      </Heading>
      <p class="facts">
        <span>
          started <Moment timeMs={record.startedAtMs} />
        </span>
        <span>
          {isRunning ? "for" : "took"} <Duration fromMs={record.startedAtMs} toMs={record.endedAtMs} />
        </span>
        {record.owner !== "" && <span>by {visibleLine(record.owner)}</span>}
        {record.exitCode !== undefined && <span>exit code {record.exitCode}</span>}
        {record.signal !== undefined && <span>{visibleLine(record.signal)}</span>}
        <span class="run-id" title="The id of this run">
          {visibleLine(live.id)}
        </span>
      </p>
      {args !== undefined && <ArgumentList args={args} secrets={record.omittedArgs} />}
      <ProgressBar live={live} isRunning={isRunning} />
      <RunEnd record={record} />
      {problem !== undefined && <ProblemNote problem={problem} />}
      {live.missingBytes.value > 0 && (
        <p class="notice">
          {sizeText(live.missingBytes.value)} of the output are no longer kept by the server, and are missing here.
        </p>
      )}
      {isRunning && !live.isConnected.value && (
        <p class="notice" role="status">
          The connection broke. It goes on at byte {live.outputBytes.value.toLocaleString("en-US")} as soon as the
          server answers.
        </p>
      )}
      <OutputView live={live} />
      {typing !== undefined && typing.terminal === undefined && (
        <LineField input={typing.input} takesFocus={live.isFresh} />
      )}
      <OutputTeller live={live} />
    </div>
  );
}

function ProgressBar({ live, isRunning }: { readonly live: LiveRun; readonly isRunning: boolean }): JSX.Element | null {
  const progress = live.progress.value;
  if (progress === undefined || !isRunning) return null;
  const percent = Math.round(progress.fraction * 100);
  return (
    <div class="progress">
      <progress max={100} value={percent} aria-label="Progress" />
      <span class="digits">{percent} %</span>
      <span class="cut">{visibleLine(progress.message)}</span>
    </div>
  );
}

function CancelButton({ live }: { readonly live: LiveRun }): JSX.Element {
  const [state, setState] = useState<"ready" | "asked" | Problem>("ready");
  const cancel = (): void => {
    setState("asked");
    cancelRun(live.id).catch((error: unknown) => setState(toProblem(error)));
  };
  return (
    <>
      <button type="button" class="button is-danger" disabled={state === "asked"} onClick={cancel}>
        <Icon name="stop" />
        {state === "asked" ? "Stopping…" : "Cancel"}
      </button>
      {typeof state === "object" && <span class="field-fault">{visibleLine(state.facts.detail)}</span>}
    </>
  );
}
