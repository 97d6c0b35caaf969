/** Whether this thread was started by iscep to run commands: a module that also starts a server must not do so here. */
export function insideCommandWorker(): boolean {
  return Reflect.get(globalThis, Symbol.for("iscep.commandWorker")) === true;
}

export function markCommandWorker(): void {
  Reflect.set(globalThis, Symbol.for("iscep.commandWorker"), true);
}
