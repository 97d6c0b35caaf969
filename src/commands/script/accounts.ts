/** The users and groups of this machine, as passwd(5) and group(5) name them. */
import { readFileSync } from "node:fs";
import { IscepError } from "../../errors.js";

/** The fields of each line. @throws IscepError `configuration` when the file cannot be read */
export function users(): string[][] {
  return linesOf("/etc/passwd");
}

/** The fields of each line. @throws IscepError `configuration` when the file cannot be read */
export function groups(): string[][] {
  return linesOf("/etc/group");
}

/**
 * True when only this user and root are in the group. A user that has no line, as in containers, has its own group when
 * this process runs as both.
 */
export function isPrivateGroup(uid: number, gid: number): boolean {
  try {
    const known = users();
    const own = known.find((fields) => Number(fields[2]) === uid);
    const ownGid = own === undefined && uid === process.getuid?.() ? process.getgid?.() : Number(own?.[3]);
    if (ownGid !== gid) return false;
    const names = groups().flatMap(([, , id, members = ""]) => (Number(id) === gid ? members.split(",") : []));
    const isOther = (name: string): boolean => !["", "root", own?.[0]].includes(name);
    const byMembers = names.some(isOther);
    const byUser = known.some(([, , id, group]) => Number(group) === gid && ![0, uid].includes(Number(id)));
    return !byMembers && !byUser;
  } catch {
    // Who is in the group is not known then.
    return false;
  }
}

export function isNumber(text: string): boolean {
  return /^[0-9]{1,10}$/.test(text);
}

function linesOf(file: string): string[][] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .map((line) => line.split(":"));
  } catch (cause) {
    const sentence = `${file} cannot be read, which names the users and groups of this machine`;
    throw new IscepError("configuration", sentence, { cause, details: { field: "user" } });
  }
}
