/** Says why a program could not be started, in a sentence for its caller. */
import { statSync } from "node:fs";
import { systemCodeOf } from "../../files/system-code.js";
import type { ScriptCommand } from "../../model/command.js";
import { firstLineFault } from "../../commands/script/first-line.js";
import { fixedPath, isExecutable } from "../../commands/script/program.js";
import { IscepError, isIscepError } from "../../errors.js";

/** The sentences have no paths, because the caller reads them. The cause has the paths. */
export function notStarted(command: ScriptCommand, cause: unknown): IscepError {
  if (isIscepError(cause)) {
    const message = `the script "${command.name}" could not be started: its program can be changed by others than its owner`;
    return new IscepError("failed", message, { cause });
  }
  const systemCode = systemCodeOf(cause) ?? "unknown";
  const sentence = startFaults[systemCode] ?? `the system refused it (${systemCode})`;
  const reason = reasonOf(command, systemCode) ?? sentence;
  return new IscepError("failed", `the script "${command.name}" could not be started: ${reason}`, {
    cause,
    details: { systemCode },
  });
}

const startFaults: Readonly<Record<string, string>> = {
  ENOENT: "its program, or the interpreter in the program's first line, does not exist",
  EACCES:
    "its program is not executable (chmod +x FILE), or its program or working folder is closed to the server's user",
  ENOTDIR: "its working folder is not a folder",
  ENOEXEC: "its program is neither a binary for this machine nor a script with an interpreter in its first line",
  E2BIG: "its arguments and environment are longer than the system allows; send less",
  EAGAIN: "the system has no room for another process; try again later",
  ENOMEM: "the system has no memory for another process; try again later",
  EMFILE: "the server has no file descriptors left; raise its limit of open files, or try again later",
  ENFILE: "the system has no file descriptors left; try again later",
  ETXTBSY: "its program is being written at this moment; try again later",
  ERR_INVALID_ARG_VALUE: "an argument holds a character that no argument may hold (NUL)",
};

/** What the files say, when the code of the system could mean several things. */
function reasonOf(command: ScriptCommand, systemCode: string): string | undefined {
  if (systemCode === "ENOENT" && !isFolder(command.folder)) return "its working folder does not exist";
  if (!["ENOENT", "EACCES", "ENOEXEC", "ENOTDIR"].includes(systemCode)) return undefined;
  if (systemCode === "EACCES" && !isExecutable(command.program)) return undefined;
  const fault = firstLineFault(command.program, command.environment["PATH"] ?? fixedPath);
  return fault === undefined ? undefined : `its program ${fault.sentence}`;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
