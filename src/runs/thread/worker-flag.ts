const flag = Symbol.for("iscep.commandWorker");

/**
 * True when iscep started this thread to run commands. A module that also starts a server must not do so here: `listen`
 * waits forever then. This is a global symbol, because that module may have loaded another copy of this library.
 */
export function insideCommandWorker(): boolean {
  return Reflect.get(globalThis, flag) === true;
}

/** Calls `onAsked` when somebody asks. `listen` asks before it waits forever. */
export function markCommandWorker(onAsked: () => void): void {
  Object.defineProperty(globalThis, flag, {
    get: () => {
      onAsked();
      return true;
    },
  });
}
