/**
 * Most runs have at most one listener of a kind, and there may be many runs. An array for one listener costs as much as
 * a run.
 */
export type Listeners<Listener extends object> = undefined | Listener | Listener[];

export function withListener<Listener extends object>(
  listeners: Listeners<Listener>,
  added: Listener,
): Listeners<Listener> {
  if (listeners === undefined) return added;
  if (!Array.isArray(listeners)) return [listeners, added];
  listeners.push(added);
  return listeners;
}

export function withoutListener<Listener extends object>(
  listeners: Listeners<Listener>,
  removed: Listener,
): Listeners<Listener> {
  if (!Array.isArray(listeners)) return listeners === removed ? undefined : listeners;
  const left = listeners.filter((listener) => listener !== removed);
  return left.length > 1 ? left : left[0];
}

export function eachListener<Listener extends object>(listeners: Listeners<Listener>): readonly Listener[] {
  if (listeners === undefined) return none;
  return Array.isArray(listeners) ? listeners : [listeners];
}

const none: readonly never[] = [];
