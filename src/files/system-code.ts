/** The code that Node or the system gives an error, such as `ENOENT`. undefined: it has none, or is no error. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
