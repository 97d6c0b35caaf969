/** What Prometheus reads, who may read it, and what probes are told. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { declareArguments, defineCommand, defineScript, type Door } from "iscep";
import { describe, expect, test } from "vitest";
import { addToken } from "#iscep/identity/tokens-writer";
import { Exposition } from "#iscep/metrics/exposition";
import { durationBuckets, metricTable } from "#iscep/metrics/metric-table";
import { Metrics } from "#iscep/metrics/metrics";
import { readExposition, type ReadMetric } from "../support/exposition.js";
import { startHttp } from "../support/http.js";
import { watchForLeaks } from "../support/leaks.js";
import { startServer } from "../support/servers.js";
import { until } from "../support/until.js";

watchForLeaks();

function valueOf(
  metrics: Map<string, ReadMetric>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const found = [...metrics.values()].flatMap(({ samples }) => samples).filter((sample) => sample.name === name);
  return found.find((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    ?.value;
}

const commands = [
  defineCommand({ name: "good", args: declareArguments({ a: { type: "integer" } }), run: () => 1 }),
  defineCommand({ name: "late", run: () => new Promise((resolve) => setTimeout(resolve, 30)) }),
  defineScript({ name: "loud", run: ["/bin/echo", "hello"], maxOutputBytes: 3, whenOutputIsFull: "truncate" }),
  defineCommand({
    name: "bad",
    run: () => {
      throw new Error("no");
    },
  }),
];

describe("the text", () => {
  test("is what Prometheus reads, has every metric of the table, and counts what happened", async () => {
    const { client, server } = await startServer({ commands });
    const caller = await client();
    for (let count = 0; count < 5; count++) await caller.call("good", { a: 1 });
    await caller.run("good", { a: "x" }).outcome;
    await caller.run("no_such_command").outcome;
    for (const name of ["bad", "late", "loud"]) await caller.run(name).outcome;
    server.metrics();
    // The delay of the event loop is known a moment after the first reading.
    await until(() => server.metrics().includes("iscep_event_loop_delay_max_seconds"));
    const metrics = readExposition(server.metrics());
    expect([...metrics.keys()].toSorted()).toEqual(Object.keys(metricTable).toSorted());
    for (const [name, kind] of Object.entries(metricTable)) {
      const read = metrics.get(name);
      expect([read?.type, read?.help]).toEqual([kind.type, kind.help]);
      for (const { labels } of read?.samples ?? [])
        expect(Object.keys(labels).filter((label) => label !== "le")).toEqual(kind.labels);
    }
    expect(valueOf(metrics, "iscep_runs_total", { command: "good", status: "completed" })).toBe(5);
    expect(valueOf(metrics, "iscep_runs_total", { command: "good", status: "rejected" })).toBe(1);
    expect(valueOf(metrics, "iscep_runs_total", { command: "(other)", status: "rejected" })).toBe(1);
    expect(valueOf(metrics, "iscep_runs_total", { command: "bad", status: "failed" })).toBe(1);
    expect(valueOf(metrics, "iscep_refusals_total", { code: "invalid_arguments" })).toBe(1);
    expect(valueOf(metrics, "iscep_refusals_total", { code: "command_not_found" })).toBe(1);
    expect(valueOf(metrics, "iscep_run_duration_seconds_count", { command: "good" })).toBe(5);
    expect(valueOf(metrics, "iscep_run_duration_seconds_bucket", { command: "late", le: "0.025" })).toBe(0);
    expect(valueOf(metrics, "iscep_run_duration_seconds_bucket", { command: "late", le: "+Inf" })).toBe(1);
    expect(valueOf(metrics, "iscep_truncated_runs_total", { command: "loud" })).toBe(1);
    expect(valueOf(metrics, "iscep_output_bytes_total", { command: "loud" })).toBe(3);
    expect(valueOf(metrics, "iscep_connections", { door: "version2" })).toBe(1);
    expect(valueOf(metrics, "iscep_connections_total")).toBe(1);
    expect(valueOf(metrics, "iscep_commands")).toBe(4);
    expect(valueOf(metrics, "iscep_received_bytes_total")).toBeGreaterThan(500);
    expect(valueOf(metrics, "iscep_sent_bytes_total")).toBeGreaterThan(500);
  });

  test("keeps its labels bounded, whatever names callers send, and however many commands there are", () => {
    const metrics = new Metrics({ maxMetricCommands: 3, isRegistered: (name) => name.startsWith("own") });
    const outcome = { status: "completed", value: undefined } as const;
    for (let count = 0; count < 1_000; count++) {
      metrics.ended(`stranger ${count}"\n{}`, outcome, 0, 0);
      metrics.ended(`own${count}`, outcome, 0, 0);
    }
    expect([...metrics.commands.keys()]).toEqual(["(other)", "own0", "own1"]);
    const all = [...metrics.commands.values()].reduce((sum, { byStatus }) => sum + byStatus.completed, 0);
    expect(all).toBe(2_000);
  });

  test("puts a duration into the bucket whose bound it does not pass", () => {
    const metrics = new Metrics({ maxMetricCommands: 1, isRegistered: () => true });
    const outcome = { status: "completed", value: undefined } as const;
    for (const durationMs of [0, 5, 5.1, 3_600_000, 3_600_001]) metrics.ended("a", outcome, durationMs, 0);
    const durations = metrics.commands.get("a")?.durations ?? [];
    expect(durations).toHaveLength(durationBuckets.length + 1);
    expect([durations[0], durations[1], durations.at(-2), durations.at(-1)]).toEqual([2, 1, 1, 1]);
  });

  test("escapes what would end a label", () => {
    const exposition = new Exposition();
    const hostile = 'a"} 1\nb\\n';
    exposition.add("iscep_refusals_total", 1, { code: hostile });
    expect(readExposition(exposition.text()).get("iscep_refusals_total")?.samples[0]?.labels).toEqual({
      code: hostile,
    });
  });

  test("has names as the conventions of Prometheus want them", () => {
    for (const [name, { type, help }] of Object.entries(metricTable)) {
      expect(name).toMatch(/^(?:iscep|process)_[a-z0-9]+(?:_[a-z0-9]+)*$/);
      expect(name.endsWith("_total")).toBe(type === "counter");
      if (type === "histogram") expect(name).toMatch(/_(?:seconds|bytes)$/);
      expect(name).not.toMatch(/_(?:ms|milliseconds|kb|mb)(?:_|$)/);
      expect(help).toMatch(/\.$/);
    }
  });
});

describe("/metrics", () => {
  test("is for tokens that may see all runs, or have the scope metrics, and for no others", async () => {
    const server = await startHttp({ commands });
    const tokenWith = (...scopes: string[]): Promise<string> =>
      addToken(server.tokensFile, { owner: "prometheus", scopes }).then(({ token }) => token);
    const statusWith = async (authorization?: string): Promise<number> =>
      (await fetch(`${server.origin}/metrics`, authorization === undefined ? {} : { headers: { authorization } }))
        .status;
    expect(await statusWith()).toBe(401);
    expect(await statusWith("Bearer wrong")).toBe(401);
    expect(await statusWith(`Bearer ${await tokenWith("discover", "run:*", "runs:good*")}`)).toBe(401);
    for (const scope of ["metrics", "runs:all"]) expect(await statusWith(`Bearer ${await tokenWith(scope)}`)).toBe(200);
    const answer = await fetch(`${server.origin}/metrics`, {
      headers: { authorization: `Bearer ${await tokenWith("metrics")}` },
    });
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const metrics = readExposition(await answer.text());
    expect(valueOf(metrics, "iscep_failed_tokens_total")).toBe(1);
    expect(valueOf(metrics, "iscep_connections", { door: "http" })).toBeGreaterThan(0);
  });
});

describe("probes", () => {
  test("/readyz fails while a door has lost its far side, and /livez does not", async () => {
    const far: { lost?: string } = {};
    const broker: Door = {
      open: async () => ({ url: "broker" }),
      drain: async () => {},
      close: async () => {},
      unready: () => far.lost,
    };
    const server = await startHttp({ commands, more: [broker] });
    const ask = async (where: string): Promise<[number, string]> => {
      const answer = await fetch(server.origin + where);
      return [answer.status, await answer.text()];
    };
    expect(await ask("/livez")).toEqual([200, "ok\n"]);
    expect(await ask("/readyz")).toEqual([200, "ok\n"]);
    far.lost = "the broker is gone";
    expect(await ask("/readyz")).toEqual([503, "the broker is gone\n"]);
    expect(await ask("/livez")).toEqual([200, "ok\n"]);
  });

  test("/readyz fails while the server waits for its runs to end", async () => {
    let end = (): void => {};
    const waits = defineCommand({ name: "waits", run: () => new Promise<void>((resolve) => (end = resolve)) });
    const server = await startHttp({ commands: [waits] });
    const call = server.post("/commands/waits");
    await until(() => server.server.metrics().includes("iscep_runs_in_progress 1"));
    expect(server.server.unready()).toBeUndefined();
    const closed = server.server.close();
    expect(server.server.unready()).toBe("the server is closing");
    end();
    expect((await call).status).toBe(200);
    await closed;
  });
});

describe("examples/grafana", () => {
  const folder = "examples/grafana";
  const names = new Set(
    Object.entries(metricTable).flatMap(([name, { type }]) =>
      type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );

  test.each(readdirSync(folder).filter((name) => !name.endsWith(".md")))(
    "%s names metrics and labels that there are",
    (file) => {
      const text = readFileSync(path.join(folder, file), "utf8");
      const expressions = file.endsWith(".json")
        ? [...text.matchAll(/"(?:expr|definition)": "((?:[^"\\]|\\.)*)"/g)].map(
            ([, found = ""]) => JSON.parse(`"${found}"`) as string,
          )
        : [...text.matchAll(/^ +expr: (.+)$/gm)].map(([, found = ""]) => found);
      expect(expressions.length).toBeGreaterThan(3);
      for (const expression of expressions) {
        const used = [...expression.matchAll(/\b(?:iscep|process)_[a-z0-9_]+/g)].map(([name]) => name);
        expect(used.length, expression).toBeGreaterThan(0);
        expect(used.filter((name) => !names.has(name))).toEqual([]);
        const selected = [...expression.matchAll(/\{([^}]*)\}/g)].map(([, pairs = ""]) => pairs).join(",");
        const grouped = [...expression.matchAll(/by \(([^)]*)\)/g)].map(([, by = ""]) => by).join(",");
        const labels = [...selected.matchAll(/(\w+)[=!]/g), ...grouped.matchAll(/(\w+)/g)].map(
          ([, label = ""]) => label,
        );
        const known = new Set([
          "le",
          "instance",
          "job",
          ...Object.values(metricTable).flatMap(({ labels: own }) => own as readonly string[]),
        ]);
        expect(
          labels.filter((label) => !known.has(label)),
          expression,
        ).toEqual([]);
      }
    },
  );

  test("every metric of iscep's own is in the dashboard", () => {
    const text = readFileSync(path.join(folder, "dashboard.json"), "utf8");
    const missing = Object.keys(metricTable).filter((name) => name.startsWith("iscep_") && !text.includes(name));
    expect(missing).toEqual([]);
  });
});
