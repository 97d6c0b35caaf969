/** The help of the command line as a person sees it. */
import { expect } from "vitest";
import { iscep } from "./iscep.js";
import { temporaryFolder } from "./temporary-folder.js";

export async function output(words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await iscep(words, { folder: temporaryFolder() });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}
