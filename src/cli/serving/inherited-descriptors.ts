/**
 * What the process that started us left open for us, and would so leave open for each script: Node makes it close at the
 * start of another program only up to the first number that is free. All that Node opens itself closes then.
 */
import { closeSync, fstatSync, readdirSync, readFileSync } from "node:fs";

const closesOnExec = 0o2000000;

/**
 * Closes them, but for standard input, output and error, and those that the command line names by their paths, as
 * `--tls-key <(…)` does. Call it before anything else can have opened one. Only Linux tells what is open.
 * @returns closes these too, when they have been read
 */
export function closeInherited(commandLine: readonly string[]): () => void {
  const named: number[] = [];
  for (const descriptor of inheritedDescriptors()) {
    if (commandLine.some((word) => new RegExp(`/fd/${descriptor}(?!\\d)`).test(word))) named.push(descriptor);
    else closeSync(descriptor);
  }
  return () => {
    for (const descriptor of named) if (isInherited(descriptor)) closeSync(descriptor);
  };
}

function inheritedDescriptors(): number[] {
  try {
    return readdirSync("/proc/self/fd").map(Number).filter(isInherited);
  } catch {
    return [];
  }
}

function isInherited(descriptor: number): boolean {
  if (descriptor <= 2 || descriptor === parentChannel()) return false;
  try {
    const [, flags] = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1")) ?? [];
    // What the system made for waiting has no type of a file, and is no way to anything.
    const isFile = (fstatSync(descriptor).mode & 0o170000) !== 0;
    return flags !== undefined && (Number.parseInt(flags, 8) & closesOnExec) === 0 && isFile;
  } catch {
    return false; // closed meanwhile: it was the one that read the folder
  }
}

/** Of `fork()`, which we speak through. */
function parentChannel(): unknown {
  return process.channel === undefined ? undefined : Reflect.get(process.channel, "fd");
}
