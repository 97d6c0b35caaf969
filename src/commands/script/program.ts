/** The program of a script, and its environment. Both are fixed when the command is defined. */
import { accessSync, constants, realpathSync, statSync, type Stats } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { IscepError } from "../../errors.js";

/**
 * The PATH in which names are found, and that scripts get. It is never the server's own, which depends on its
 * environment.
 */
const fixedPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Finds a program by an absolute path, a path with a slash relative to `folder`, or a name in the fixed PATH.
 * @throws IscepError `configuration` when it is not a program, or others may change it
 */
export function resolveProgram(program: string, folder: string): string {
  if (program === "" || program.includes("\0"))
    throw new IscepError("configuration", "the program of a script must be a path or a name");
  if (/[{}]/.test(program)) {
    throw new IscepError(
      "configuration",
      `program "${program}" must be fixed; only the elements after it can hold an {argument}`,
    );
  }
  // Windows runs these by a shell with its own rules. It ignores letter case, and dots and spaces at the end.
  if (/\.(?:bat|cmd)[. ]*$/i.test(program)) {
    throw new IscepError(
      "configuration",
      `program "${program}" is a batch file, whose arguments cannot be passed safely; call the program in it`,
    );
  }
  const found = /[/\\]/.test(program) ? path.resolve(folder, program) : findInPath(program);
  checkProgram(found);
  return found;
}

/** Finds a program in the fixed PATH; undefined when it is not installed. */
export function findSystemProgram(name: string): string | undefined {
  const candidates = fixedPath.split(":").map((folder) => path.posix.join(folder, name));
  return candidates.find(
    (candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile() === true && isExecutable(candidate),
  );
}

function findInPath(name: string): string {
  const found = findSystemProgram(name);
  if (found !== undefined) return found;
  throw new IscepError(
    "configuration",
    `there is no program "${name}" in ${fixedPath}; install it, or give its path (./${name} when it is beside the configuration)`,
  );
}

function checkProgram(file: string): void {
  const stats = statOf(file);
  if (!stats.isFile()) throw new IscepError("configuration", `program ${file} is not a file`);
  // Windows has no such modes.
  if (process.platform === "win32") return;
  if (!isExecutable(file)) throw new IscepError("configuration", `program ${file} is not executable; chmod +x ${file}`);
  checkMode(file, stats);
  for (const folder of new Set([...foldersAbove(file), ...foldersAbove(realpathSync(file))])) checkFolder(folder);
}

/**
 * Checks the program once more, right before a start. If it is gone, the start itself reports that.
 * @throws IscepError `configuration`
 */
export function checkStillClosed(program: string): void {
  const stats = statIfThere(program);
  if (stats !== undefined && process.platform !== "win32") checkMode(program, stats);
}

function checkMode(file: string, { mode }: Stats): void {
  if ((mode & 0o022) === 0) return;
  throw new IscepError(
    "configuration",
    `program ${file} can be changed by its group or by everybody; chmod go-w ${file}`,
  );
}

function foldersAbove(file: string): string[] {
  const folder = path.dirname(file);
  return folder === file ? [] : [folder, ...foldersAbove(folder)];
}

function statIfThere(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}

/** Where everybody may rename files, the owner of a file means nothing. The sticky bit of /tmp prevents that. */
function checkFolder(folder: string): void {
  const { mode } = statOf(folder);
  if ((mode & 0o002) === 0 || (mode & 0o1000) !== 0) return;
  throw new IscepError(
    "configuration",
    `folder ${folder} can be changed by everybody, and so the program in it; chmod o-w ${folder}`,
  );
}

function statOf(file: string): Stats {
  try {
    return statSync(file);
  } catch (cause) {
    const reason =
      cause instanceof Error && "code" in cause && cause.code === "ENOENT"
        ? "does not exist; check the path, or install it"
        : "cannot be read";
    throw new IscepError("configuration", `program ${file} ${reason}`, { cause });
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** These change what a program runs, or how. A definition that needs one sets it in a wrapper script of its own. */
const refusedNames = /^(?:LD_.*|DYLD_.*|NODE_OPTIONS|BASH_ENV|ENV|IFS|PYTHON(?!UNBUFFERED$).*|PERL.*|GIT_.*|ISCEP_.*)$/;

/**
 * The whole environment of a script: a fixed PATH, LANG, HOME, TZ when it is set, PYTHONUNBUFFERED so that the output of Python comes while it runs, and what the definition adds.
 * @throws IscepError `configuration`, with the name in `details`
 */
export function scriptEnvironment(added: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(added)) checkVariable(name, value);
  const { HOME = homeFolder(), TZ } = process.env;
  return Object.freeze({
    PATH: fixedPath,
    LANG: "C.UTF-8",
    HOME,
    PYTHONUNBUFFERED: "1",
    ...(TZ === undefined ? {} : { TZ }),
    ...added,
  });
}

/** A user that is only a number, as in containers, has no home. Container engines use "/" then. */
function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return "/";
  }
}

function checkVariable(name: string, value: unknown): void {
  const wrong = (sentence: string): IscepError =>
    new IscepError("configuration", sentence, { details: { variable: name } });
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw wrong(`${JSON.stringify(name)} is no name of an environment variable; use letters, digits and "_"`);
  }
  if (refusedNames.test(name.toUpperCase())) {
    throw wrong(
      `environment variable ${name} changes how programs are loaded or run, and is refused; set it in a script of your own`,
    );
  }
  if (typeof value !== "string" || value.includes("\0"))
    throw wrong(`environment variable ${name} must be text without NUL`);
}
