/**
 * The charts of runs by outcome, and of how long they took. They are drawn as SVG, so style sheets give them their
 * colours, and the table below them says the same in words.
 */
import { useMemo } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";
import type { RunRecord } from "../api/types.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { countSteps, timeSteps } from "../words/axis.js";
import { bucketsOf, durationOf, hasFailed, type Bucket } from "../words/statistics.js";
import { countText, dateTimeOf, durationText } from "../words/time.js";

interface Props {
  readonly runs: readonly RunRecord[];
  readonly fromMs: number;
  readonly toMs: number;
}

/** As wide as a chart is on most screens, so that its words are drawn in about their own size. */
const size = { width: 420, height: 180, left: 56, right: 8, top: 10, bottom: 24 } as const;
const plotWidth = size.width - size.left - size.right;
const plotHeight = size.height - size.top - size.bottom;
const bucketCount = 48;
const bottom = size.top + plotHeight;

/** Half of the width of a wide character of these words. */
const halfCharacter = 3.5;

export function ActivityCharts(props: Props): JSX.Element {
  return (
    <div class="charts">
      <OutcomeChart {...props} />
      <DurationChart {...props} />
    </div>
  );
}

function OutcomeChart({ runs, fromMs, toMs }: Props): JSX.Element {
  const buckets = useMemo(() => bucketsOf(runs, fromMs, toMs, bucketCount), [runs, fromMs, toMs]);
  const steps = countSteps(Math.max(...buckets.map(totalOf)));
  const most = steps.at(-1) ?? 1;
  const width = plotWidth / bucketCount;
  const y = (count: number): number => bottom - (count / most) * plotHeight;
  return (
    <Figure title="Runs and outcomes" legend>
      <Grid lines={steps.map((count) => ({ y: y(count), words: String(count) }))} fromMs={fromMs} toMs={toMs} />
      {buckets.map((bucket, index) => {
        const x = size.left + index * width + width * 0.1;
        const parts: readonly (readonly [name: string, from: number, count: number])[] = [
          ["completed", 0, bucket.completed],
          ["other", bucket.completed, bucket.other],
          ["failed", bucket.completed + bucket.other, bucket.failed],
        ];
        return parts.map(
          ([name, from, count]) =>
            count > 0 && (
              <rect
                key={`${index}${name}`}
                class={`chart-${name}`}
                x={x}
                y={y(from + count)}
                width={width * 0.8}
                height={y(from) - y(from + count)}
              >
                <title>{bucketWords(bucket)}</title>
              </rect>
            ),
        );
      })}
    </Figure>
  );
}

function totalOf({ completed, other, failed }: Bucket): number {
  return completed + other + failed;
}

function bucketWords(bucket: Bucket): string {
  const { fromMs, failed } = bucket;
  return `${dateTimeOf(fromMs)}: ${countText(totalOf(bucket), "run")}${failed > 0 ? `, ${failed} failed` : ""}`;
}

/** More dots cannot be told apart, and would make the page slow. */
const maxDots = 1_000;

function DurationChart({ runs, fromMs, toMs }: Props): JSX.Element {
  const dots = useMemo(
    () =>
      runs.slice(0, maxDots).flatMap((run) => {
        const durationMs = durationOf(run);
        const { startedAtMs } = run;
        return durationMs === undefined || startedAtMs === undefined || startedAtMs < fromMs
          ? []
          : [{ run, durationMs, startedAtMs }];
      }),
    [runs, fromMs],
  );
  const least = 10;
  const decades = Math.max(
    3,
    Math.ceil(Math.log10(Math.max(least * 10, ...dots.map(({ durationMs }) => durationMs)) / least)),
  );
  const y = (ms: number): number => bottom - (Math.log10(Math.max(ms, least) / least) / decades) * plotHeight;
  const lines = [least, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 36_000_000].filter(
    (ms) => ms <= least * 10 ** decades,
  );
  return (
    <Figure title="How long they took">
      <Grid lines={lines.map((ms) => ({ y: y(ms), words: durationText(ms) }))} fromMs={fromMs} toMs={toMs} />
      {dots.map(({ run, durationMs, startedAtMs }) => (
        <circle
          key={run.run}
          class={hasFailed(run) ? "chart-failed" : run.status === "completed" ? "chart-completed" : "chart-other"}
          cx={size.left + ((startedAtMs - fromMs) / (toMs - fromMs)) * plotWidth}
          cy={y(durationMs)}
          r={3}
        >
          <title>{`${visibleLine(run.command)}: ${durationText(durationMs)}`}</title>
        </circle>
      ))}
    </Figure>
  );
}

interface FigureProps {
  readonly title: string;
  readonly legend?: boolean;
  readonly children: ComponentChildren;
}

function Figure({ title, legend = false, children }: FigureProps): JSX.Element {
  return (
    <figure class="card">
      <figcaption>
        <h2>{title}</h2>
        {legend && (
          <ul class="legend">
            <li class="is-completed">completed</li>
            <li class="is-failed">failed, timed out or lost</li>
            <li class="is-other">cancelled or refused</li>
          </ul>
        )}
      </figcaption>
      <svg class="chart" viewBox={`0 0 ${size.width} ${size.height}`} aria-hidden="true" focusable="false">
        {children}
      </svg>
    </figure>
  );
}

interface GridProps {
  readonly lines: readonly { readonly y: number; readonly words: string }[];
  readonly fromMs: number;
  readonly toMs: number;
}

function Grid({ lines, fromMs, toMs }: GridProps): JSX.Element {
  return (
    <>
      {lines.map(({ y, words }) => (
        <g key={words}>
          <path class="chart-line" d={`M${size.left} ${y}H${size.width - size.right}`} />
          <text x={size.left - 8} y={y + 4} text-anchor="end">
            {words}
          </text>
        </g>
      ))}
      {timeSteps(fromMs, toMs)
        .map(({ timeMs, words }) => ({ x: size.left + ((timeMs - fromMs) / (toMs - fromMs)) * plotWidth, words }))
        // Words at the edge would be cut.
        .filter(({ x, words }) => x + words.length * halfCharacter <= size.width)
        .map(({ x, words }) => (
          <text key={x} x={x} y={size.height - 6} text-anchor="middle">
            {words}
          </text>
        ))}
    </>
  );
}
