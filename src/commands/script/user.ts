/** The user that a script runs as: found by name, with the groups that the system gives to that user. */
import { IscepError } from "../../errors.js";
import { groups, isNumber, users } from "./accounts.js";
import { findSystemProgram } from "./program.js";

export interface ScriptUser {
  readonly uid: number;
  readonly gid: number;
  /** HOME, USER and LOGNAME of this user. */
  readonly environment: Readonly<Record<string, string>>;
  /** The launcher that sets the user and then becomes the program; empty when Node itself sets the user. */
  readonly launcher: readonly string[];
}

/**
 * @param byLauncher a launcher sets the user, even where Node could
 * @returns undefined when this process already runs as that user, and has nothing to change.
 * @throws IscepError `configuration` when there is no such user, or this process may not change to that user
 */
export function findUser(name: string, byLauncher = false): ScriptUser | undefined {
  const found = passwdEntry(name);
  if (process.getuid?.() === found.uid) return undefined;
  if (process.getuid?.() !== 0) {
    throw wrong(
      `the script must run as user "${name}", but only a server that runs as root can switch to another user`,
    );
  }
  const { uid, gid, home } = found;
  return {
    uid,
    gid,
    environment: { HOME: home, USER: name, LOGNAME: name },
    launcher: byLauncher || hasOtherGroups(name, gid) ? groupSetter(name, uid, gid) : [],
  };
}

/** Node sets user and group, and keeps no other groups: neither root's nor the user's own. */
function groupSetter(name: string, uid: number, gid: number): string[] {
  const setpriv = findSystemProgram("setpriv");
  if (setpriv === undefined) {
    throw wrong(
      `only setpriv can start the script as user "${name}" with all groups of that user and its limits, and it is not installed; install util-linux`,
    );
  }
  return [setpriv, `--reuid=${uid}`, `--regid=${gid}`, "--init-groups", "--"];
}

interface PasswdEntry {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Reads passwd(5). Users that only a directory service knows are not found. */
function passwdEntry(name: string): PasswdEntry {
  const [, , uid = "", gid = "", , home = "/"] = users().find(([user]) => user === name) ?? [];
  if (!isNumber(uid) || !isNumber(gid)) throw wrong(`there is no user "${name}" in /etc/passwd`);
  return { uid: Number(uid), gid: Number(gid), home };
}

/** Reads group(5). */
function hasOtherGroups(name: string, gid: number): boolean {
  return groups().some(
    ([, , id = "", members = ""]) => isNumber(id) && Number(id) !== gid && members.split(",").includes(name),
  );
}

function wrong(sentence: string): IscepError {
  return new IscepError("configuration", sentence, { details: { field: "user" } });
}
