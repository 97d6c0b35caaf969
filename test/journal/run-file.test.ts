/** A run file tells what was written to it, whatever the length and the alphabet of its texts. */
import { rmSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultLimits, IscepError } from "iscep";
import { appendEnd, readRunFile, readValue, writeStart } from "#iscep/journal/run-file";
import { endLines } from "#iscep/journal/stored-outcome";
import { JsonText } from "#iscep/wire/json-text";
import { temporaryFolder } from "../support/temporary-folder.js";

const start = {
  run: "01900000-0000-7000-8000-000000000000",
  command: "speak",
  owner: "alice",
  tokenId: null,
  source: "127.0.0.1",
  startedAtMs: 1,
  server: "1 2 3",
};

/** Texts around the bytes that are read first, of characters with one to four bytes. */
const longText = fc
  .tuple(fc.constantFrom("a", "é", "統", "😀", "a統"), fc.integer({ min: 0, max: 6_000 }))
  .map(([character, length]) => character.repeat(Math.ceil(length / character.length)));

test("what was written is read again", () => {
  const folder = temporaryFolder();
  let count = 0;
  fc.assert(
    fc.property(longText, longText, fc.option(longText), (argument, message, value) => {
      const file = path.join(folder, `${count++}.run`);
      const long = { ...start, arguments: { text: argument } };
      const error = new IscepError("failed", message);
      const kept = value === null ? {} : { value: JsonText.of(value, defaultLimits) };
      const { end, text } = endLines({ status: "failed", error, ...kept }, 2, 3, defaultLimits);
      expect(writeStart(file, long)).toBe(Buffer.byteLength(`${JSON.stringify(long)}\n`));
      expect(readRunFile(file)).toEqual({ start: long, end: undefined });
      appendEnd(file, text);
      expect(readRunFile(file)).toEqual({ start: long, end });
      expect(readValue(file, defaultLimits)?.text).toBe(value === null ? undefined : JSON.stringify(value));
    }),
  );
});

test("an end that the disk cut anywhere counts as it was written again", () => {
  const file = path.join(temporaryFolder(), "cut.run");
  const { end, text } = endLines(
    { status: "completed", value: JsonText.of(123_456, defaultLimits) },
    2,
    3,
    defaultLimits,
  );
  for (let length = 0; length <= text.length; length++) {
    rmSync(file, { force: true });
    writeStart(file, start);
    for (const part of [text.slice(0, length), `\n${text.slice(0, length)}`, `\n${text}`]) appendEnd(file, part);
    expect({ length, end: readRunFile(file).end }).toEqual({ length, end });
    expect({ length, value: readValue(file, defaultLimits)?.text }).toEqual({ length, value: "123456" });
  }
});
