/**
 * Commands that end in every way that there is. A run that is `held` says that it has begun by a file MARK.begun, and goes on
 * when there is a file MARK.go: so a test decides when it ends, also from another process.
 */
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { declareArguments, defineCommand, defineScript, IscepError, Server } from "iscep";

class Secretive {
  #hidden = 1;
  get hidden() {
    return this.#hidden;
  }
}

/** @type {{ self?: unknown }} */
const circle = {};
circle.self = circle;

/**
 * What a function may give back, and what of it JSON cannot hold (`refused`; undefined: it can).
 * @type {Readonly<Record<string, { readonly make: () => unknown, readonly refused?: RegExp }>>}
 */
export const values = {
  number: { make: () => 3 },
  nothing: { make: () => undefined },
  null: { make: () => null },
  text: { make: () => "ü€𝄞\u2028" },
  double: { make: () => [1e16, -0.5] },
  structure: { make: () => ({ items: [{ name: "end", size: 1 }], at: new Date(0), none: undefined }) },
  "instance with members": { make: () => Object.assign(new Secretive(), { shown: 1 }) },
  NaN: { make: () => ({ a: [Number.NaN] }), refused: /: result\.a\[0\]: NaN/ },
  promise: { make: () => ({ items: [1, 2, 3, Promise.resolve(4)] }), refused: /: result\.items\[3\]: a Promise/ },
  error: { make: () => ({ error: new Error("disk is full") }), refused: /: result\.error: an Error/ },
  "error with a code": { make: () => Object.assign(new Error("x"), { code: "E" }), refused: /: result: an Error/ },
  map: { make: () => new Map([[1, 2]]), refused: /: result: a Map/ },
  set: { make: () => [new Set([1])], refused: /: result\[0\]: a Set/ },
  iterator: { make: () => [1, 2].values(), refused: /: result: an iterator/ },
  generator: {
    make: () =>
      (function* () {
        yield 1;
      })(),
    refused: /: result: an iterator or generator/,
  },
  stream: { make: () => new ReadableStream(), refused: /: result: a stream/ },
  "instance without members": { make: () => new Secretive(), refused: /: result: a Secretive/ },
  parameters: { make: () => new URLSearchParams("a=1"), refused: /: result: an? URLSearchParams/ },
  bytes: { make: () => Buffer.from("x"), refused: /: result: a Buffer/ },
  "undefined inside": { make: () => [undefined], refused: /: result\[0\]: undefined/ },
  function: { make: () => ({ run: () => 1 }), refused: /: result\.run: a function/ },
  symbol: { make: () => Symbol("x"), refused: /: result: a symbol/ },
  bigint: { make: () => 2n ** 70n, refused: /: result: a bigint/ },
  circle: { make: () => circle, refused: /: result(?:\.self)+: it nests too deep/ },
  "date without a time": { make: () => new Date(Number.NaN), refused: /: result: it is an invalid date/ },
};

/** How large a value is, beside those above. */
export const sizes = { "too large for some doors": 100_000, "too large for all doors": 1_500_000 };

const makers = new Map([
  ...Object.entries(values).map(([kind, { make }]) => /** @type {const} */ ([kind, make])),
  ...Object.entries(sizes).map(([kind, size]) => /** @type {const} */ ([kind, () => "x".repeat(size)])),
]);

const script = `
touch "$1/$2.begun"
[ "$3" = held ] && while [ ! -e "$1/$2.go" ]; do sleep 0.01; done
case "$4" in
  exits) echo some words; echo a complaint >&2; exit 3 ;;
  shot) echo some words; kill -KILL $$ ;;
  much) seq 1 20000 ;;
  tells) echo "it is $(cat "$5")" ;;
  stays) trap 'touch "$1/$2.stopping"; while [ ! -e "$1/$2.go" ]; do sleep 0.01; done; exit 3' TERM
    touch "$1/$2.ready"
    while :; do sleep 0.01; done ;;
  waits) while :; do sleep 0.01; done ;;
  *) echo fine ;;
esac`;

const marked = /** @type {const} */ ({
  mark: { type: "string" },
  pace: { type: "enum", choices: ["at once", "later", "held"] },
});

/**
 * @param {string} folder where the files of held runs are
 */
export function outcomeCommands(folder) {
  /** @param {string} mark @param {AbortSignal} [signal] */
  const hold = async (mark, signal) => {
    writeFileSync(path.join(folder, `${mark}.begun`), "");
    while (!existsSync(path.join(folder, `${mark}.go`))) await sleep(5, undefined, { signal });
  };
  /** @template Value @param {{ mark: string, pace: string }} args @param {AbortSignal} signal @param {() => Value} end */
  const paced = ({ mark, pace }, signal, end) => {
    if (pace === "at once") return end();
    return (pace === "later" ? turn() : hold(mark, signal)).then(end);
  };
  /** @param {string} name @param {Partial<Parameters<typeof defineCommand>[0]>} [more] */
  const waiting = (name, more) =>
    defineCommand({
      name,
      args: declareArguments(marked),
      ...more,
      run: async (/** @type {{ mark: string }} */ { mark }, { signal, output, progress }) => {
        progress(0.5, "waiting");
        await output.write("stdout", "some output\n");
        await hold(mark, signal);
        return `through ${mark}`;
      },
    });
  /** @param {string} name @param {Partial<Parameters<typeof defineScript>[0]>} [more] */
  const shell = (name, more) =>
    defineScript({
      name,
      args: { ...marked, how: { type: "string" } },
      run: ["sh", "-c", script, "sh", folder, "{mark}", "{pace}", "{how}"],
      ...more,
    });
  return [
    defineCommand({
      name: "give",
      args: declareArguments({ ...marked, kind: { type: "string" } }),
      run: (args, { signal }) => paced(args, signal, () => makers.get(args.kind)?.()),
    }),
    defineCommand({
      name: "fail",
      args: declareArguments({ ...marked, kind: { type: "string" } }),
      run: (args, { signal }) =>
        paced(args, signal, () => {
          if (args.kind === "coded") throw new IscepError("busy", "the disk is full");
          if (args.kind === "long") throw new IscepError("failed", "y".repeat(50_000));
          throw new Error("not for callers");
        }),
    }),
    waiting("wait"),
    waiting("slow", { timeoutMs: 30 }),
    waiting("replaced", { concurrency: { limit: 1, whenFull: "replace" } }),
    waiting("joined", { concurrency: { limit: 1, whenFull: "join" } }),
    waiting("single", { concurrency: { limit: 1, whenFull: "reject" } }),
    defineCommand({
      name: "stubborn",
      description: "Does not hear that it is cancelled",
      args: declareArguments(marked),
      run: ({ mark }) => hold(mark),
    }),
    shell("script"),
    shell("slow_script", { timeoutMs: 30 }),
    shell("accepting", { successCodes: [0, 3] }),
    shell("json", { output: "json" }),
    shell("lines", { output: "lines" }),
    shell("capped", { maxOutputBytes: 1_000 }),
    shell("cut", { maxOutputBytes: 1_000, whenOutputIsFull: "truncate" }),
    shell("stopped", { maxOutputBytes: 1_000, whenOutputIsFull: "kill" }),
    shell("masking", {
      args: { ...marked, how: { type: "string" }, password: { type: "secret" } },
      run: ["sh", "-c", script, "sh", folder, "{mark}", "{pace}", "{how}", "{password:file}"],
    }),
  ];
}

/**
 * A server of these commands, which keeps its runs and its logs in the folder.
 * @param {string} folder with a file tokens.json
 * @param {{ port?: number, doors?: readonly import("iscep").Door[], limits?: Partial<import("iscep").Limits> }} options
 */
export function outcomeServer(folder, { port = 0, doors = [], limits = {} }) {
  return new Server({
    commands: outcomeCommands(folder),
    port,
    tls: false,
    tokens: path.join(folder, "tokens.json"),
    runsFolder: path.join(folder, "runs"),
    logs: path.join(folder, "logs"),
    logArgs: true,
    doors,
    limits: { maxPacketBytes: 1_000_000, natsBeatMs: 200, ...limits },
  });
}
