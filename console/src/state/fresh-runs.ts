/** Runs that were started in this page and not looked at yet. */
const fresh = new Set<string>();

export function markFresh(run: string): void {
  fresh.add(run);
}

/** True once, for the view that shows it first. */
export function takeFresh(run: string): boolean {
  return fresh.delete(run);
}
