/** A run file tells what was written to it, whatever the length and the alphabet of its texts. */
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultLimits, IscepError } from "iscep";
import { appendEnd, readRunFile, readValue, writeStart } from "#iscep/journal/run-file";
import { endLines } from "#iscep/journal/stored-outcome";
import { JsonText } from "#iscep/wire/json-text";
import { temporaryFolder } from "../support/temporary-folder.js";

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
      const start = {
        run: "01900000-0000-7000-8000-000000000000",
        command: "speak",
        owner: "alice",
        tokenId: null,
        source: "127.0.0.1",
        startedAtMs: 1,
        server: "1 2 3",
        arguments: { text: argument },
      };
      const error = new IscepError("failed", message);
      const kept = value === null ? {} : { value: JsonText.of(value, defaultLimits) };
      const { end, text } = endLines({ status: "failed", error, ...kept }, 2, 3, defaultLimits);
      expect(writeStart(file, start)).toBe(Buffer.byteLength(`${JSON.stringify(start)}\n`));
      expect(readRunFile(file)).toEqual({ start, end: undefined });
      appendEnd(file, text);
      expect(readRunFile(file)).toEqual({ start, end });
      expect(readValue(file, defaultLimits)?.text).toBe(value === null ? undefined : JSON.stringify(value));
    }),
  );
});
