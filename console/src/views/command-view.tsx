/** One command: what it is, its form, and its last runs. */
import { useMemo, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { fetchRun, fetchRuns, startRun } from "../api/calls.js";
import { toProblem, type Problem } from "../api/problem.js";
import { randomName } from "../api/random-name.js";
import type { Command, RunRecord } from "../api/types.js";
import { faultsOfMessage } from "../forms/entry.js";
import { fieldsOf } from "../forms/field.js";
import { ArgumentForm } from "../parts/argument-form.js";
import { LoadingRows } from "../parts/blank-note.js";
import { ConfirmDialog } from "../parts/confirm-dialog.js";
import { Heading } from "../parts/heading.js";
import { ProblemNote } from "../parts/problem-note.js";
import { Duration, Moment } from "../parts/moment.js";
import { StandardInput } from "../parts/standard-input.js";
import { Status } from "../parts/status.js";
import { refreshActiveRuns } from "../state/active-runs.js";
import { markFresh } from "../state/fresh-runs.js";
import { commands, loadCommands } from "../state/commands.js";
import { useLoaded } from "../state/loaded.js";
import { rememberedArguments, rememberRun } from "../state/remembered-runs.js";
import { go, pathOf } from "../state/route.js";
import { rememberSize } from "../state/terminal-sizes.js";
import { fittingSize } from "../typing/fitting-size.js";
import { visibleLine, visibleText } from "../../../src/text/visible-text.js";
import { durationText } from "../words/time.js";
import { MissingCommand } from "./missing-command.js";

interface Props {
  readonly name: string;
  /** The run whose arguments the form begins with. */
  readonly from: string | null;
}

export function CommandView({ name, from }: Props): JSX.Element {
  const loaded = useLoaded(`commands ${name}`, loadCommands);
  const command = (loaded.value ?? commands.value)?.find((each) => each.name === name);
  const past = useLoaded(`arguments ${from ?? ""}`, async () => ({
    args: from === null ? undefined : await argumentsOf(from),
  }));
  if (command === undefined) {
    if (loaded.value !== undefined) return <MissingCommand name={name} known={loaded.value.map((each) => each.name)} />;
    return (
      <>
        <Heading title={visibleLine(name)} />
        {loaded.problem === undefined ? (
          <LoadingRows rows={4} />
        ) : (
          <ProblemNote problem={loaded.problem} onRetry={loaded.reload} />
        )}
      </>
    );
  }
  if (past.isLoading && from !== null && past.problem === undefined) {
    return (
      <>
        <Heading title={visibleLine(name)} />
        <LoadingRows rows={4} />
      </>
    );
  }
  return <KnownCommand command={command} from={from} args={past.value?.args} />;
}

async function argumentsOf(run: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const kept = await fetchRun(run).catch(() => undefined);
  return kept?.args ?? rememberedArguments(run);
}

interface Attempt {
  readonly text: string;
  readonly input: Blob | "typed" | undefined;
  readonly key: string;
}

interface KnownProps {
  readonly command: Command;
  readonly from: string | null;
  readonly args: Readonly<Record<string, unknown>> | undefined;
}

function KnownCommand({ command, from, args }: KnownProps): JSX.Element {
  const fields = useMemo(() => fieldsOf(command.args), [command.name, JSON.stringify(command.args)]);
  const runs =
    useLoaded(`last runs ${command.name}`, () => fetchRuns({ command: command.name, limit: 6 }), 10_000).value?.runs ??
    [];
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [toConfirm, setToConfirm] = useState<Readonly<Record<string, unknown>> | undefined>(undefined);
  // An attempt that failed on its way is repeated with the same key, so that no second run begins.
  const attempt = useRef<Attempt | undefined>(undefined);
  const input = useRef<Blob | "typed" | undefined>(undefined);
  const refusals = useMemo(
    () =>
      problem?.facts.code === "invalid_arguments" ? faultsOfMessage(problem.facts.detail) : new Map<string, string>(),
    [problem],
  );
  const placed = [...refusals.keys()].every((place) =>
    fields.some(({ name }) => place === name || place.startsWith(`${name}[`)),
  );

  const start = async (wanted: Readonly<Record<string, unknown>>): Promise<void> => {
    setToConfirm(undefined);
    setBusy(true);
    setProblem(undefined);
    const text = JSON.stringify(wanted);
    // With other input it is another call. The server compares arguments only, and would go on in the middle of the input.
    if (attempt.current?.text !== text || attempt.current.input !== input.current)
      attempt.current = { text, input: input.current, key: randomName() };
    try {
      const size = command.isOnTerminal ? fittingSize() : undefined;
      const given = size !== undefined || input.current === "typed" ? { terminal: size } : input.current;
      const run = await startRun(command.name, wanted, attempt.current.key, given);
      if (size !== undefined) rememberSize(run, size);
      markFresh(run);
      attempt.current = undefined;
      rememberRun(run, fields, wanted);
      void refreshActiveRuns();
      go(pathOf("runs", run));
    } catch (error) {
      const failure = toProblem(error);
      // The key is kept only when it is not known whether the run began.
      if (!failure.isUnreachable) attempt.current = undefined;
      setProblem(failure);
      setBusy(false);
    }
  };

  return (
    <>
      <Heading title={visibleLine(command.name)}>
        <Facts command={command} />
      </Heading>
      {command.description !== "" && <p class="lead">{visibleText(command.description)}</p>}
      {from !== null && (
        <p class="notice" role="status">
          {args === undefined
            ? "The arguments of that run are not kept, so the form begins with the defaults."
            : "The form has the arguments of an earlier run. Secrets are not kept; enter them again."}
        </p>
      )}
      <div class={runs.length > 0 ? "command-page has-runs" : "command-page"}>
        <div class="card">
          <ArgumentForm
            fields={fields}
            args={args}
            refusals={refusals}
            isBusy={isBusy}
            extra={
              command.isOnTerminal ? (
                <p class="field-note">It runs on a terminal, which opens with it. You type there.</p>
              ) : (
                command.takesInput && <StandardInput onChange={(chosen) => (input.current = chosen)} />
              )
            }
            submitWord={command.mustConfirm ? "Run…" : "Run"}
            onSubmit={(wanted) => {
              if (command.mustConfirm) setToConfirm(wanted);
              else void start(wanted);
            }}
          />
          {problem !== undefined && !(refusals.size > 0 && placed) && <ProblemNote problem={problem} />}
        </div>
        {runs.length > 0 && <LastRuns command={command.name} runs={runs} />}
      </div>
      {toConfirm !== undefined && (
        <ConfirmDialog
          command={command}
          fields={fields}
          args={toConfirm}
          onYes={() => void start(toConfirm)}
          onNo={() => setToConfirm(undefined)}
        />
      )}
    </>
  );
}

function Facts({ command }: { readonly command: Command }): JSX.Element {
  return (
    <p class="facts">
      <span class="tag">{command.kind}</span>
      {command.isReadOnly && <span class="tag">reads only</span>}
      {command.isIdempotent && <span class="tag">may be repeated</span>}
      {command.mustConfirm && <span class="tag is-warning">asks first</span>}
      {command.timeoutMs > 0 && <span class="quiet">at most {durationText(command.timeoutMs)}</span>}
    </p>
  );
}

function LastRuns({ command, runs }: { readonly command: string; readonly runs: readonly RunRecord[] }): JSX.Element {
  return (
    <aside aria-labelledby="last-runs">
      <h2 id="last-runs">Last runs</h2>
      <ul class="last-runs">
        {runs.map(({ run, status, startedAtMs, endedAtMs }) => (
          <li key={run}>
            <a href={pathOf("runs", run)}>
              <Status status={status} />
              <Duration fromMs={startedAtMs} toMs={endedAtMs} />
              <Moment timeMs={startedAtMs} />
            </a>
          </li>
        ))}
      </ul>
      <p>
        <a href={`${pathOf("runs")}?command=${encodeURIComponent(command)}`}>All runs of this command</a>
      </p>
    </aside>
  );
}
