/** As much of a Dockerfile as ours has: instructions in order, comments left out, continued lines joined. */
import { readFileSync } from "node:fs";
import { z } from "zod";

export interface Instruction {
  /** It is in capitals, as in the file. */
  readonly name: string;
  readonly text: string;
}

export function readDockerfile(file: string): Instruction[] {
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => !/^\s*#/.test(line));
  return lines
    .join("\n")
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name = "", text = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      if (name === "") throw new Error(`${file}: this line is no instruction: ${line}`);
      return { name, text: text.trim() };
    });
}

/** What the image says about the process in it, from its last stage. */
export interface ImageSettings {
  readonly environment: Readonly<Record<string, string>>;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

export function imageSettings(file: string): ImageSettings {
  const instructions = readDockerfile(file);
  const last = instructions.slice(instructions.findLastIndex(({ name }) => name === "FROM"));
  const textOf = (wanted: string): string => last.find(({ name }) => name === wanted)?.text ?? "";
  const [uid = NaN, gid = NaN] = textOf("USER").split(":").map(Number);
  const words = z.array(z.string());
  const assignments = last.filter(({ name }) => name === "ENV").flatMap(({ text }) => text.split(/\s+/));
  return {
    environment: Object.fromEntries(
      assignments.map((assignment) => [assignment.split("=", 1)[0], assignment.replace(/^[^=]*=/, "")]),
    ),
    user: { uid, gid },
    entrypoint: words.parse(JSON.parse(textOf("ENTRYPOINT"))),
    command: words.parse(JSON.parse(textOf("CMD"))),
  };
}
