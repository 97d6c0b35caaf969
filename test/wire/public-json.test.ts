import { expect, test } from "vitest";
import { encodeJson, isIscepError, parseJson } from "iscep";

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isIscepError(error)) return error.code;
    throw error;
  }
  return "none";
}

test("bytes are read by the rules of the wire, whatever array they stand in", () => {
  const bytes = new TextEncoder().encode(' {"a":[1,"ü"]} ');
  expect(parseJson(bytes)).toEqual({ a: [1, "ü"] });
  expect(parseJson(bytes.subarray(6, 14))).toEqual([1, "ü"]);
  expect(parseJson(Buffer.from("null"))).toBeNull();
  for (const text of ["", "{", "NaN", "9007199254740993", "1e999", "[".repeat(65) + "]".repeat(65)]) {
    expect(
      codeOf(() => parseJson(Buffer.from(text))),
      text,
    ).toBe("protocol");
  }
  expect(codeOf(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22)))).toBe("protocol");
});

test("values are written as they are, or refused", () => {
  expect(encodeJson({ a: [1, "ü"], b: undefined })).toBe('{"a":[1,"ü"]}');
  expect(encodeJson(undefined)).toBeUndefined();
  for (const value of [Number.NaN, 10n, () => 1, new Map()]) {
    expect(codeOf(() => encodeJson(value))).toBe("invalid_arguments");
  }
});

test("limits may be given one by one", () => {
  expect(codeOf(() => parseJson(Buffer.from("[[1]]"), { maxJsonDepth: 1 }))).toBe("protocol");
  expect(codeOf(() => parseJson(Buffer.from('{"a":1,"b":2}'), { maxJsonKeys: 1 }))).toBe("protocol");
  expect(codeOf(() => encodeJson([[1]], { maxJsonDepth: 1 }))).toBe("invalid_arguments");
  expect(codeOf(() => encodeJson([1, 2, 3], { maxJsonItems: 2 }))).toBe("invalid_arguments");
});
