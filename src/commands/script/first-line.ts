/** Reads the first line of a program, and says why the system would not run it. */
import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from "node:fs";
import path from "node:path";

export interface FirstLineFault {
  /** False when it works on some systems: a program without a first line is run by /bin/sh there. */
  readonly isFatal: boolean;
  /** What is wrong and what to do, without any path of this machine: FILE stands for the program. */
  readonly sentence: string;
}

/** The kernel reads no more of it (BINPRM_BUF_SIZE in linux/binfmts.h). */
const maxFirstLineBytes = 256;

/**
 * @param searchPath the PATH in which `#!/usr/bin/env NAME` finds its program
 * @returns undefined for a program that can start, or that cannot be read
 */
export function firstLineFault(program: string, searchPath: string): FirstLineFault | undefined {
  if (process.platform === "win32") return undefined;
  const bytes = beginOf(program);
  if (bytes === undefined) return undefined;
  if (bytes.subarray(0, 5).equals(Buffer.from("\uFEFF#!")))
    return fatal("begins with a byte order mark, which hides its first line; sed -i '1s/^\\xEF\\xBB\\xBF//' FILE");
  if (bytes.subarray(0, 2).toString("latin1") !== "#!") {
    // Bytes that are no text are a binary, of whatever form.
    if (bytes.includes(0)) return undefined;
    const sentence =
      bytes.length === 0
        ? "is empty; write a script into it"
        : "has no first line that names its interpreter; begin it with #!/bin/sh, or with the interpreter that it needs";
    return { isFatal: false, sentence };
  }
  const end = bytes.indexOf("\n");
  return faultOfLine(bytes.subarray(2, end === -1 ? bytes.length : end).toString("utf8"), searchPath);
}

function faultOfLine(line: string, searchPath: string): FirstLineFault | undefined {
  if (line.endsWith("\r"))
    return fatal("has Windows line ends (CRLF), so its interpreter is not found; sed -i 's/\\r$//' FILE");
  const [interpreter = "", ...words] = line.trim().split(/[ \t]+/);
  if (interpreter === "") return fatal("has a first line that names no interpreter; write #!/bin/sh, for example");
  // Another path is relative to the folder that the script works in.
  if (!path.isAbsolute(interpreter)) return undefined;
  const direct = faultOfInterpreter(interpreter);
  if (direct !== undefined || path.basename(interpreter) !== "env") return direct;
  const at = words.findIndex((word) => !word.startsWith("-") && !word.includes("="));
  const name = words[at];
  // Linux gives env all the words as one.
  if (name !== undefined && at === 0 && words.length > 1 && process.platform === "linux")
    return fatal(`gives env several words in its first line, which need -S: #!${interpreter} -S ${words.join(" ")}`);
  // With other options, or with PATH= before it, env may look elsewhere.
  if (name === undefined || name.includes("/") || words.slice(0, at).some((word) => word !== "-S")) return undefined;
  if (searchPath.split(":").some((folder) => isProgram(path.join(folder, name)))) return undefined;
  return fatal(`needs the interpreter ${name}, which is not in ${searchPath}; install it, or write its whole path`);
}

function faultOfInterpreter(interpreter: string): FirstLineFault | undefined {
  if (isProgram(interpreter)) return undefined;
  if (!existsSync(interpreter))
    return fatal(
      `names the interpreter ${interpreter} in its first line, which does not exist; install it, or write another`,
    );
  return fatal(
    `names the interpreter ${interpreter} in its first line, which is not executable; chmod +x ${interpreter}`,
  );
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function fatal(sentence: string): FirstLineFault {
  return { isFatal: true, sentence };
}

function beginOf(program: string): Buffer | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(program, "r");
  } catch {
    // The program may be executable but not readable, which matters only for scripts.
    return undefined;
  }
  try {
    const buffer = Buffer.alloc(maxFirstLineBytes);
    return buffer.subarray(0, readSync(descriptor, buffer));
  } catch {
    // The program has become a folder.
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}
