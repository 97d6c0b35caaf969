/** How many bytes V8 takes, about, for each value, for an array or a text beside its content, and for an object. */
const valueBytes = 8;
const headBytes = 16;
const objectBytes = 56;

/**
 * About how much memory a value takes that was read from JSON. Its text may be much shorter: 2 bytes for an empty
 * object.
 * @param most the count ends beyond this, so that a value which holds itself is counted too
 */
export function memoryBytes(value: unknown, most: number): number {
  let bytes = 0;
  const left: object[] = [];
  const count = (each: unknown): void => {
    bytes += valueBytes;
    if (typeof each === "string") bytes += headBytes + each.length;
    else if (typeof each === "object" && each !== null) left.push(each);
  };
  count(value);
  for (let next = left.pop(); next !== undefined && bytes <= most; next = left.pop()) {
    if (Array.isArray(next)) {
      bytes += headBytes;
      for (const item of next) count(item);
    } else {
      bytes += objectBytes;
      for (const [key, member] of Object.entries(next)) {
        count(key);
        count(member);
      }
    }
  }
  return bytes;
}
