import type { Command } from "../model/command.js";

/** This is a Symbol.for, because a module of commands may be loaded together with another copy of this library. */
export const commandBrand = Symbol.for("iscep.command");

export function isCommand(value: unknown): value is Command {
  return typeof value === "object" && value !== null && commandBrand in value;
}
