/** Runs, one a row. On a narrow screen each row becomes two lines. */
import type { JSX } from "preact";
import type { RunRecord } from "../api/types.js";
import { pathOf } from "../state/route.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { sizeText } from "../words/time.js";
import { Duration, Moment } from "./moment.js";
import { Status } from "./status.js";

interface Props {
  readonly runs: readonly RunRecord[];
  readonly label: string;
  readonly hasOwners?: boolean;
}

export function RunTable({ runs, label, hasOwners = false }: Props): JSX.Element {
  return (
    <table class="runs">
      <caption class="unseen">{label}</caption>
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Command</th>
          {hasOwners && <th scope="col">Owner</th>}
          <th scope="col">Started</th>
          <th scope="col" class="is-number">
            Took
          </th>
          <th scope="col" class="is-number">
            Output
          </th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <tr key={run.run}>
            <td class="run-status">
              <Status status={run.status} />
              {run.exitCode !== undefined && run.exitCode !== 0 && <span class="quiet"> exit {run.exitCode}</span>}
            </td>
            <td class="run-command">
              <a href={pathOf("runs", run.run)}>{visibleLine(run.command)}</a>
            </td>
            {hasOwners && <td class="run-owner">{visibleLine(run.owner)}</td>}
            <td class="run-started">
              <Moment timeMs={run.startedAtMs} />
            </td>
            <td class="run-took is-number">
              <Duration fromMs={run.startedAtMs} toMs={run.endedAtMs} />
            </td>
            <td class="run-output is-number quiet">{sizeText(run.outputBytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
