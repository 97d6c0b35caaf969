/** Reads the text format of Prometheus (version 0.0.4) as strictly as it is written down, and refuses everything else. */

export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadMetric {
  readonly type: string;
  readonly help: string;
  readonly samples: ReadSample[];
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const labelPair = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/;

export function readExposition(text: string): Map<string, ReadMetric> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const metrics = new Map<string, ReadMetric>();
  const seen = new Set<string>();
  let current: { readonly name: string; help?: string; metric?: ReadMetric } | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, keyword, about = "", rest = ""] = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      if (metrics.has(about)) throw new Error(`${about} stands in two places`);
      current = { name: about, help: rest };
    } else if (keyword === "TYPE") {
      if (current?.name !== about || current.metric !== undefined) throw new Error(`a type without its help: ${line}`);
      if (!["counter", "gauge", "histogram"].includes(rest)) throw new Error(`no type: ${line}`);
      current.metric = { type: rest, help: current.help ?? "", samples: [] };
      metrics.set(about, current.metric);
    } else {
      const sample = readSample(line);
      const key = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (seen.has(key)) throw new Error(`twice: ${line}`);
      seen.add(key);
      if (current?.metric === undefined) throw new Error(`a sample before its type: ${line}`);
      const suffix = sample.name.slice(current.name.length);
      const suffixes = current.metric.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      if (!sample.name.startsWith(current.name) || !suffixes.includes(suffix))
        throw new Error(`not its place: ${line}`);
      current.metric.samples.push(sample);
    }
  }
  for (const [name, { type, samples }] of metrics) if (type === "histogram") checkHistogram(name, samples);
  return metrics;
}

function readSample(line: string): ReadSample {
  const [, name = "", pairs = "", number = ""] = sampleLine.exec(line) ?? [];
  if (name === "") throw new Error(`no line of the format: ${JSON.stringify(line)}`);
  const labels: Record<string, string> = {};
  for (let rest = pairs; rest !== "";) {
    const [all = "", label = "", value = ""] = labelPair.exec(rest) ?? [];
    if (all === "" || label in labels) throw new Error(`no labels: ${line}`);
    labels[label] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
    rest = rest.slice(all.length);
  }
  const value = number === "+Inf" ? Number.POSITIVE_INFINITY : Number(number);
  if (Number.isNaN(value)) throw new Error(`no number: ${line}`);
  return { name, labels, value };
}

/** Buckets go up and end with +Inf, which is the count. */
function checkHistogram(name: string, samples: readonly ReadSample[]): void {
  const groups = new Map<string, ReadSample[]>();
  for (const sample of samples) {
    const { le: _, ...others } = sample.labels;
    const key = JSON.stringify(others);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const group of groups.values()) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) =>
      labels["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels["le"]),
    );
    const counts = buckets.map(({ value }) => value);
    const isRising = (numbers: readonly number[]): boolean =>
      numbers.every((number, index) => index === 0 || number >= (numbers[index - 1] ?? 0));
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    const sum = group.find((sample) => sample.name === `${name}_sum`)?.value;
    if (!isRising(bounds) || !isRising(counts) || bounds.at(-1) !== Number.POSITIVE_INFINITY)
      throw new Error(`the buckets of ${name} do not rise to +Inf`);
    if (counts.at(-1) !== count || sum === undefined) throw new Error(`count and sum of ${name} are wrong`);
  }
}
