import fc from "fast-check";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { InputSender } from "#iscep/client/protocol/input-sender";
import { SendWindow } from "#iscep/session/window";

test("chunks of any size come as they were given, also when another connection goes on with them", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 64 }),
      fc.array(fc.record({ grants: fc.integer({ min: 1, max: 64 }), breaks: fc.boolean() }), { maxLength: 40 }),
      async (chunks, windowBytes, steps) => {
        let received = Buffer.alloc(0);
        const ends: number[] = [];
        let readBytes = 0;
        const sender = new InputSender(
          (async function* () {
            yield* chunks;
          })(),
          (error) => {
            throw error;
          },
        );
        const begin = (): void => {
          const unreadBytes = received.length - readBytes;
          sender.begin(
            {
              maxDataBytes: 16,
              window: new SendWindow(windowBytes, windowBytes - unreadBytes),
              connectionWindow: new SendWindow(1 << 20),
              write: (offset, bytes) => {
                expect(offset).toBe(received.length);
                if (bytes.length === 0) ends.push(offset);
                received = Buffer.concat([received, bytes]);
              },
            },
            received.length,
            unreadBytes,
          );
        };
        begin();
        for (let step = 0; ends.length === 0; step++) {
          await turn();
          const { grants, breaks } = steps[step] ?? { grants: windowBytes, breaks: false };
          if (breaks) {
            sender.pause();
            begin();
          }
          const bytes = Math.min(grants, received.length - readBytes);
          readBytes += bytes;
          if (bytes > 0) sender.granted(bytes);
        }
        expect(received).toEqual(Buffer.concat(chunks));
        sender.close();
      },
    ),
    { numRuns: 100 },
  );
});
