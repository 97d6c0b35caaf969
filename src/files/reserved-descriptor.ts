/** Two descriptors are kept, so that what must be read can be read when peers have taken all others. */
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { isShortage } from "./shortage.js";

/** One for what is read at once, and one for what a thread reads. */
const most = 2;
const reserved: number[] = [];

/** Call this before there may be a shortage. */
export function reserveDescriptors(): void {
  try {
    while (reserved.length < most) reserved.push(openSync(devNull, "r"));
  } catch {
    // There is none left already. The next call tries again.
  }
}

/**
 * Gives a descriptor to `read` if there is no other. It opens and closes within this call, so no other code gets it.
 */
export function readWithReserve<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!isShortage(error) || !giveUp(0)) throw error;
    try {
      return read();
    } finally {
      reserveDescriptors();
    }
  }
}

/** The same for what a thread opens. A new connection may get the descriptor first; then this rejects. */
export async function readLaterWithReserve<Result>(read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (!isShortage(error) || !giveUp(1)) throw error;
    try {
      return await read();
    } finally {
      reserveDescriptors();
    }
  }
}

/** @param left how many must stay for others */
function giveUp(left: number): boolean {
  const descriptor = reserved.length > left ? reserved.pop() : undefined;
  if (descriptor !== undefined) closeSync(descriptor);
  return descriptor !== undefined;
}
