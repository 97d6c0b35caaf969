/**
 * Closes what the process that started us left open, because each script would inherit it. Node keeps such descriptors
 * from the programs that it starts, but only up to the first free number. Programs never inherit what Node opens
 * itself.
 */
import { closeSync, fstatSync, readdirSync, readFileSync } from "node:fs";

const closesOnExec = 0o2000000;

/**
 * Closes all inherited descriptors, except standard input, output and error, and those that the command line names by
 * their paths, as `--tls-key <(…)` does. Call it before anything else can open one. Only Linux says what is open.
 * @returns a function that closes the named ones too, when they have been read
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
    // Descriptors that the system made for waiting have no file type, and give access to nothing.
    const isFile = (fstatSync(descriptor).mode & 0o170000) !== 0;
    return flags !== undefined && (Number.parseInt(flags, 8) & closesOnExec) === 0 && isFile;
  } catch {
    return false; // it is closed now: it was the one that read the folder
  }
}

/** The channel of `fork()`, which this process uses. */
function parentChannel(): unknown {
  return process.channel === undefined ? undefined : Reflect.get(process.channel, "fd");
}
