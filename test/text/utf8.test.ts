import { expect, test } from "vitest";
import { utf8Text } from "#iscep/text/utf8";

test("a byte order mark belongs to the file, not to its text", () => {
  expect(utf8Text(Buffer.from([0xef, 0xbb, 0xbf, 0x61]), "the file")).toBe("a");
});

test.each([["\xe9"], ["caf\xc3"], ["\xed\xa0\x80"], ["\xff"]])("what is no UTF-8 is refused: %j", (bytes) => {
  expect(() => utf8Text(Buffer.from(bytes, "latin1"), "the file f")).toThrow(/the file f is not UTF-8/);
});
