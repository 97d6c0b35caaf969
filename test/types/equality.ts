/** Compiles only when the types are the same; an `any` is the same as nothing but `any`. */
export type Same<One, Other> =
  (<Probe>() => Probe extends One ? 1 : 2) extends <Probe>() => Probe extends Other ? 1 : 2 ? true : false;

export function same<One, Other>(_same: Same<One, Other>): void {
  // Its argument is all there is to it.
}
