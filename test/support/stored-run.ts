/** A run in a runs folder, without a server around it. */
import { expect } from "vitest";
import { defaultLimits } from "iscep";
import { anonymous } from "#iscep/model/identity";
import { RunStore } from "#iscep/journal/store";
import { Run } from "#iscep/runs/run/run";
import { packetRoom } from "#iscep/runs/run/settle";
import { JsonText } from "#iscep/wire/json-text";
import { later } from "./cleanup.js";

/** A store with one run of alice, which begins, writes and ends as the test says. */
export async function storedRun(folder: string, limits = defaultLimits) {
  const options = { folder, limits, onProblem: (message: string) => expect.fail(message) };
  const store = await RunStore.open(options);
  const outcome = { status: "completed", value: JsonText.of("done", limits) } as const;
  const run = new Run("speak", { ...anonymous, owner: "alice", mayRun: () => true }, "", {
    limits,
    room: packetRoom(limits),
    ends: (ended) => store.end(ended, outcome),
    abandoned: () => undefined,
  });
  later(() => {
    run.output.close();
    return store.close();
  });
  const another = async (): Promise<RunStore> => {
    const next = await RunStore.open(options);
    later(() => next.close());
    return next;
  };
  return { store, run, outcome, another };
}

/** Reads as a connection does, now and whenever there is more. @param most bytes, for one that then reads no further */
export function reader({ output }: Run, most = Infinity) {
  const pieces: Uint8Array[] = [];
  const watcher = {
    position: 0,
    outputReady(): void {
      while (this.position < most) {
        const piece = output.read(this.position, Math.min(65_536, most - this.position));
        if (piece === undefined) return;
        pieces.push(piece.bytes);
        this.position += piece.bytes.length;
      }
    },
  };
  output.watch(watcher);
  watcher.outputReady();
  const leave = (): void => output.unwatch(watcher);
  later(leave);
  return { text: () => Buffer.concat(pieces).toString(), leave };
}
