/** Compiles only when the types are the same; an `any` is the same as nothing but `any`. */
// Two functions of conditional types are assignable only when the types in their conditions are identical.
// oxlint-disable typescript/no-unnecessary-type-parameters
export type Same<One, Other> =
  (<Probe>() => Probe extends One ? 1 : 2) extends <Probe>() => Probe extends Other ? 1 : 2 ? true : false;

export function same<One, Other>(_same: Same<One, Other>): void {
  // Its argument is all there is to it.
}
