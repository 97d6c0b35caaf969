/** What has no form in JSON (`encodeJson` refuses it), so that a caller never gets it. */
type Refused =
  | bigint
  | symbol
  | ((...args: never) => unknown)
  | ArrayBuffer
  | ArrayBufferView
  | Iterable<unknown>
  | AsyncIterable<unknown>
  | PromiseLike<unknown>;

/**
 * What a value is on the other side: a Date is text, and so is whatever has `toJSON`; members that may be undefined are
 * optional. A Map, a Set, a promise, bytes or a function cannot be sent, and is `never`.
 */
export type Jsonify<Value> = unknown extends Value
  ? Value
  : Value extends string | number | boolean | null | undefined
    ? Value
    : Value extends readonly unknown[]
      ? { [Index in keyof Value]: Jsonify<Value[Index]> }
      : Value extends Refused
        ? never
        : Value extends { toJSON(...args: never): infer Json }
          ? Jsonify<Json>
          : JsonifyMembers<Value>;

type JsonifyMembers<Value> = [MaybeLeftOut<Value>] extends [never]
  ? { [Key in keyof Value as Key extends symbol ? never : Key]: Jsonify<Value[Key]> }
  : Flat<
      {
        [Key in keyof Value as Key extends symbol | MaybeLeftOut<Value> ? never : Key]: Jsonify<Value[Key]>;
      } & {
        [Key in keyof Value as Key extends MaybeLeftOut<Value> ? Key : never]?: Jsonify<Exclude<Value[Key], undefined>>;
      }
    >;

/** The members that are always there, but may be undefined, which JSON leaves out. */
type MaybeLeftOut<Value> = {
  [Key in keyof Value]-?: unknown extends Value[Key]
    ? never
    : undefined extends Value[Key]
      ? object extends Pick<Value, Key>
        ? never
        : Key
      : never;
}[keyof Value];

type Flat<Value> = { [Key in keyof Value]: Value[Key] };
