/** A test that leaves a socket, timer, watcher or file open fails, whatever else it proved. */
import { readdirSync, readlinkSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach } from "vitest";
import { reserveDescriptors } from "#iscep/files/reserved-descriptor";
import { cleanUp } from "./cleanup.js";

const patienceMs = 30_000;

interface Handles {
  readonly files: number;
  readonly resources: Readonly<Record<string, number>>;
}

/** The test runner's own come and go: its reports to the parent, its timeouts. */
const ofTheRunner = new Set(["Immediate", "PipeWrap", "ProcessWrap", "TTYWrap"]);

export function openFiles(): number {
  reserveDescriptors(); // the first script takes them, and they stay
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0; // not on Linux: the resources are still counted
  }
}

/** What the newest descriptors lead to, as far as the system tells. */
function newestFiles(count: number): string {
  return readdirSync("/proc/self/fd")
    .toSorted((a, b) => Number(b) - Number(a))
    .slice(0, count)
    .map((name) => {
      try {
        return `${name} ${readlinkSync(`/proc/self/fd/${name}`)}`;
      } catch {
        return `${name} closed meanwhile`;
      }
    })
    .join(", ");
}

function handles(): Handles {
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) {
    if (!ofTheRunner.has(name)) resources[name] = (resources[name] ?? 0) + 1;
  }
  return { files: openFiles(), resources };
}

function growth(before: Handles, now: Handles): string[] {
  const found = Object.entries(now.resources)
    .filter(([name, count]) => count > (before.resources[name] ?? 0))
    .map(([name, count]) => `${name}: ${count} and ${before.resources[name] ?? 0} before`);
  if (now.files > before.files) found.push(`file descriptors: ${now.files} and ${before.files} before`);
  return found;
}

/** Closing a handle takes the system a moment, so what is too much is looked at again until it has gone. */
export async function expectNoLeaks(before: Handles, patience = patienceMs): Promise<void> {
  const untilMs = performance.now() + patience;
  let found = growth(before, handles());
  for (let look = 0; found.length > 0 && performance.now() < untilMs; look++) {
    // Most are gone after some turns of the event loop; what takes longer must get the processor.
    await new Promise((resolve) => (look < 20 ? setImmediate(resolve) : setTimeout(resolve, 5)));
    found = growth(before, handles());
  }
  if (found.length === 0) return;
  const files = openFiles() - before.files;
  throw new Error(`left open: ${found.join("; ")}${files > 0 ? ` (${newestFiles(files + 4)})` : ""}`);
}

/** To be called once in a test file: after each test everything is closed, and nothing may be left. */
export function watchForLeaks(): void {
  // The first watcher of a process opens the system's queue of notifications, which stays for all later ones.
  watch(tmpdir(), { persistent: false }).close();
  let before = handles();
  beforeEach(() => {
    before = handles();
  });
  afterEach(async () => {
    await cleanUp();
    await expectNoLeaks(before);
  });
}
