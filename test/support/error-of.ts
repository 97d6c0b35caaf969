import { isIscepError, type IscepError } from "iscep";

/** The IscepError with which the work fails, at once or later. */
export async function errorOf(work: Promise<unknown> | (() => unknown)): Promise<IscepError> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    if (isIscepError(error)) return error;
    throw error;
  }
  throw new Error("it did not fail");
}
