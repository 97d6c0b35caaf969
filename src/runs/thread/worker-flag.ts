const flag = Symbol.for("iscep.commandWorker");

/**
 * Whether this thread was started by iscep to run commands. A module that also starts a server must not do so here:
 * `listen` waits for ever then. By a global symbol, as that module may have loaded another copy of this library.
 */
export function insideCommandWorker(): boolean {
  return Reflect.get(globalThis, flag) === true;
}

/** `onAsked` is called whenever somebody asks, which is what `listen` does before it waits for ever. */
export function markCommandWorker(onAsked: () => void): void {
  Object.defineProperty(globalThis, flag, {
    get: () => {
      onAsked();
      return true;
    },
  });
}
