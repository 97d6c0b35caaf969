/** Writes metrics as text, in the format of Prometheus (text/plain; version=0.0.4). */
import { metricTable, type MetricName } from "./metric-table.js";

export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

/** The end of the name behind the metric's (`_bucket`), the labels, and the value. */
type Sample = readonly [suffix: string, labels: Readonly<Record<string, string>>, value: number];

export class Exposition {
  readonly #samples = new Map<MetricName, Sample[]>();

  add(name: MetricName, value: number, labels: Readonly<Record<string, string>> = {}, suffix = ""): void {
    const samples = this.#samples.get(name) ?? [];
    samples.push([suffix, labels, value]);
    this.#samples.set(name, samples);
  }

  /** In the order of the table, without metrics that have no value. */
  text(): string {
    let text = "";
    for (const [name, { help, type }] of Object.entries(metricTable)) {
      const samples = this.#samples.get(name as MetricName);
      if (samples === undefined) continue;
      text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
      for (const [suffix, labels, value] of samples)
        text += `${name}${suffix}${labelText(labels)} ${numberText(value)}\n`;
    }
    return text;
  }
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return value
    .replaceAll("\\", String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll("\n", String.raw`\n`);
}

function numberText(value: number): string {
  return value === Number.POSITIVE_INFINITY ? "+Inf" : String(value);
}
