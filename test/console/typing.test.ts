/** What the console sends for keys and pasted text, and how it gets there. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TypedInput as ServerInput } from "#iscep/doors/http/input/typed-input";
import { Problem } from "../../console/src/api/problem.js";
import { OutputModel } from "../../console/src/output/output-model.js";
import { TypedInput } from "../../console/src/state/typed-input.js";
import { bytesOfKey, isOfInputMethod, type KeyPress } from "../../console/src/typing/key-bytes.js";
import type { OutgoingPiece } from "../../console/src/typing/outbox.js";
import { pastedText } from "../../console/src/typing/pasted-text.js";
import { numRuns } from "../support/hostile-text.js";

describe("a key becomes what a terminal sends for it", () => {
  const plain = { hasApplicationCursor: false, isAltText: false };
  const press = (words: string): KeyPress => {
    const parts = words.split("+");
    const has = (name: string): boolean => parts.slice(0, -1).includes(name);
    return {
      key: parts.at(-1) ?? "",
      ctrlKey: has("Ctrl"),
      altKey: has("Alt"),
      shiftKey: has("Shift"),
      metaKey: has("Meta"),
    };
  };

  test.each([
    ["ArrowUp", "\u001b[A"],
    ["Shift+ArrowLeft", "\u001b[1;2D"],
    ["Ctrl+Alt+ArrowRight", "\u001b[1;7C"],
    ["Home", "\u001b[H"],
    ["Ctrl+End", "\u001b[1;5F"],
    ["PageUp", "\u001b[5~"],
    ["Ctrl+PageDown", "\u001b[6;5~"],
    ["Delete", "\u001b[3~"],
    ["Insert", "\u001b[2~"],
    ["Shift+Insert", undefined],
    ["F1", "\u001bOP"],
    ["Shift+F4", "\u001b[1;2S"],
    ["F5", "\u001b[15~"],
    ["Ctrl+F12", "\u001b[24;5~"],
    ["Enter", "\r"],
    ["Alt+Enter", "\u001b\r"],
    ["Tab", "\t"],
    ["Shift+Tab", "\u001b[Z"],
    ["Ctrl+Tab", undefined],
    ["Backspace", "\u007f"],
    ["Ctrl+Backspace", "\b"],
    ["Alt+Backspace", "\u001b\u007f"],
    ["Escape", "\u001b"],
    ["Ctrl+c", "\u0003"],
    ["Ctrl+C", "\u0003"],
    ["Ctrl+ ", "\0"],
    ["Ctrl+[", "\u001b"],
    ["Ctrl+\\", "\u001c"],
    ["Ctrl+Shift+_", "\u001f"],
    ["Ctrl+Alt+d", "\u001b\u0004"],
    ["Alt+b", "\u001bb"],
    // These are for the browser: text, pasting, copying, its own menus, and how large the page is.
    ["a", undefined],
    ["ä", undefined],
    ["Dead", undefined],
    ["Ctrl+v", undefined],
    ["Ctrl+Shift+C", undefined],
    ["Meta+c", undefined],
    ["Ctrl+-", undefined],
    ["Control", undefined],
  ])("%s", (words, bytes) => {
    expect(bytesOfKey(press(words), plain)).toBe(bytes);
  });

  test("cursor keys have another form when the program asks for it, without other keys", () => {
    const options = { ...plain, hasApplicationCursor: true };
    expect(bytesOfKey(press("ArrowUp"), options)).toBe("\u001bOA");
    expect(bytesOfKey(press("End"), options)).toBe("\u001bOF");
    expect(bytesOfKey(press("Ctrl+ArrowUp"), options)).toBe("\u001b[1;5A");
  });

  test("where Alt makes characters, they are text", () => {
    expect(bytesOfKey(press("Alt+@"), { ...plain, isAltText: true })).toBeUndefined();
    expect(bytesOfKey(press("Alt+ArrowLeft"), { ...plain, isAltText: true })).toBe("\u001b[1;3D");
  });
});

test.each([
  ["Enter while a word is composed", { key: "Enter", keyCode: 13, isComposing: true }, true],
  ["Enter that confirms a word, in Safari", { key: "Enter", keyCode: 229, isComposing: false }, true],
  ["a key of a phone that has no name", { key: "Unidentified", keyCode: 229, isComposing: false }, true],
  ["Enter", { key: "Enter", keyCode: 13, isComposing: false }, false],
  ["a letter", { key: "a", keyCode: 65, isComposing: false }, false],
])("an input method has the key: %s", (_name, event, isOne) => {
  expect(isOfInputMethod(event)).toBe(isOne);
});

describe("pasted text", () => {
  test("has Enter for its line ends", () => {
    expect(pastedText("a\nb\r\nc\rd\te", false)).toBe("a\rb\rc\rd\te");
  });

  test("presses no other keys, and cannot end the marks around it", () => {
    expect(pastedText("a\u001b[201~\u0003rm\u007f\u009b", true)).toBe("\u001b[200~a[201~rm\u001b[201~");
  });
});

/** Takes pieces as the server does, and harms what it is told to harm. */
class Receiver {
  bytes = Buffer.alloc(0);
  hasEnded = false;
  readonly pieces: OutgoingPiece[] = [];
  harms: Harm[] = [];
  maxBytes = 65_536;
  /** The body is too large, or comes too slowly. */
  tooLong: 413 | 408 = 413;
  mostAtOnce = 0;
  #underWay = 0;

  readonly post = async (piece: OutgoingPiece): Promise<number> => {
    this.#underWay++;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#underWay);
    await Promise.resolve();
    this.#underWay--;
    const harm = this.harms.shift();
    if (harm === "lost") throw failure(0);
    if (harm === "busy") throw failure(503, { code: "busy", retryAfterMs: 1_000 });
    if (harm === "many") throw failure(429);
    if (harm === "slow") throw failure(408);
    if (piece.bytes.length > this.maxBytes) throw failure(this.tooLong);
    if (piece.offset > this.bytes.length) throw failure(409, { offset: this.bytes.length });
    this.pieces.push(piece);
    this.bytes = Buffer.concat([this.bytes, piece.bytes.subarray(this.bytes.length - piece.offset)]);
    if (piece.isLast) this.hasEnded = true;
    if (harm === "answer lost") throw failure(0);
    return this.bytes.length;
  };
}

const harms = ["none", "lost", "answer lost", "busy", "many", "slow"] as const;
type Harm = (typeof harms)[number];

function failure(status: number, facts: Partial<Problem["facts"]> = {}): Problem {
  return new Problem({ status, code: "internal", title: "", detail: "no", ...facts });
}

interface Typist {
  readonly input: TypedInput;
  readonly receiver: Receiver;
  readonly pausesMs: number[];
  /** All that was typed is there, or is given up. */
  readonly settled: () => Promise<void>;
}

function typist(isOpen = true): Typist {
  const receiver = new Receiver();
  const pausesMs: number[] = [];
  const input = new TypedInput({
    post: receiver.post,
    fetchIsOpen: () => Promise.resolve(isOpen),
    async pause(ms) {
      pausesMs.push(ms);
      await Promise.resolve();
    },
  });
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 2_000 && input.waitingBytes.value > 0; turn++) await Promise.resolve();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect(input.waitingBytes.value).toBe(0);
  };
  return { input, receiver, pausesMs, settled };
}

describe("what is typed", () => {
  test("arrives whole, in order and once, whatever is lost on the way", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }), fc.nat(12)), { maxLength: 20 }),
        fc.array(fc.constantFrom(...harms), { maxLength: 30 }),
        async (typed, harmed) => {
          const { input, receiver, settled } = typist();
          receiver.harms = harmed;
          for (const [text, turns] of typed) {
            expect(input.type(text)).toBe(true);
            for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          }
          await settled();
          expect(receiver.bytes.toString()).toBe(typed.map(([text]) => text).join(""));
          expect(input.state.value.kind).toBe("open");
          expect(receiver.mostAtOnce).toBe(Math.min(1, typed.length));
        },
      ),
      { numRuns },
    );
  });

  test("goes at once, and what is typed while a request is under way goes together in the next one", async () => {
    const { input, receiver, settled } = typist();
    input.type("h");
    await Promise.resolve();
    for (const letter of "ello") input.type(letter);
    await settled();
    const sent = receiver.pieces.map(({ offset, bytes }) => [offset, Buffer.from(bytes).toString()]);
    expect(sent).toEqual([
      [0, "h"],
      [1, "ello"],
    ]);
  });

  test.each([
    ["the server takes no larger ones", 413],
    ["larger ones take too long", 408],
  ] as const)("goes in smaller pieces where %s", async (_name, status) => {
    const { input, receiver, settled } = typist();
    receiver.maxBytes = 100;
    receiver.tooLong = status;
    input.type("x".repeat(1_000));
    await settled();
    expect(receiver.bytes.length).toBe(1_000);
    expect(Math.max(...receiver.pieces.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(100);
  });

  test("waits as long as the server says when the command does not read, and tells it", async () => {
    const { input, receiver, pausesMs, settled } = typist();
    receiver.harms = ["busy", "busy"];
    const kinds: string[] = [];
    const stop = input.state.subscribe(({ kind }) => kinds.push(kind));
    input.type("a");
    await settled();
    stop();
    expect(kinds).toEqual(["open", "unread", "unread", "open"]);
    expect(pausesMs.every((ms) => ms >= 1_000)).toBe(true);
    expect(receiver.bytes.toString()).toBe("a");
  });

  test("arrives whole, in order and once from each of two pages that type at the same time", async () => {
    const key = fc.record({ page: fc.nat(1), length: fc.integer({ min: 1, max: 5 }), turns: fc.nat(6) });
    const harm = fc.constantFrom("none", "lost", "answer lost");
    await fc.assert(
      fc.asyncProperty(fc.array(key, { maxLength: 30 }), fc.array(harm, { maxLength: 30 }), async (keys, harmed) => {
        const harmsLeft = [...harmed];
        const taken = new ServerInput({ maxTypedBytes: 1_000, maxTypingRequests: 10, typedInputTimeoutMs: 1_000 });
        const pages = ["first", "second"].map(
          (writer) =>
            new TypedInput({
              async post(piece) {
                await Promise.resolve();
                const next = harmsLeft.shift();
                if (next === "lost") throw failure(0);
                await taken.type({ ...piece, writer });
                if (next === "answer lost") throw failure(0);
                return taken.offsetOf(writer);
              },
              fetchIsOpen: () => Promise.resolve(true),
              pause: () => Promise.resolve(),
            }),
        );
        const typed = ["", ""];
        for (const { page, length, turns } of keys) {
          const letters = page === 0 ? "abcdefghijklmnopqrstuvwxyz" : "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
          const text = letters
            .repeat(2)
            .slice(typed[page]!.length % 26)
            .slice(0, length);
          typed[page] += text;
          pages[page]!.type(text);
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        }
        for (let turn = 0; turn < 2_000 && pages.some((page) => page.waitingBytes.value > 0); turn++)
          await Promise.resolve();
        void taken.type({ bytes: new Uint8Array(), isLast: true });
        let read = "";
        for await (const chunk of taken) read += Buffer.from(chunk).toString();
        expect([read.replaceAll(/[A-Z]/g, ""), read.replaceAll(/[a-z]/g, "")]).toEqual(typed);
      }),
      { numRuns },
    );
  });

  test("ends with its last byte, and nothing is typed behind that", async () => {
    const { input, receiver, settled } = typist();
    receiver.harms = ["lost", "answer lost"];
    input.type("last");
    input.end();
    await settled();
    expect([receiver.bytes.toString(), receiver.hasEnded, input.state.value.kind]).toEqual(["last", true, "ended"]);
    expect(input.type("more")).toBe(false);
  });

  test.each([
    ["the run is over, or takes no input", 409, {}, "ended"],
    ["another page has ended the input, or another caller has taken it over", 409, { offset: 0 }, "refused"],
    ["the server forgot who types", 401, {}, "refused"],
    ["the run is not there", 404, {}, "refused"],
  ])("is given up when %s", async (_name, status, facts, kind) => {
    const { input, settled } = typist();
    const failing = new TypedInput({
      post: () => Promise.reject(failure(status, facts)),
      fetchIsOpen: () => Promise.resolve(true),
      pause: () => Promise.resolve(),
    });
    failing.type("a");
    input.type("a");
    await settled();
    expect([failing.state.value.kind, failing.waitingBytes.value]).toEqual([kind, 0]);
    expect(failing.type("b")).toBe(false);
  });

  test("is not gathered without bound", () => {
    const input = new TypedInput({
      post: () => new Promise(() => undefined),
      fetchIsOpen: () => Promise.resolve(true),
      pause: () => Promise.resolve(),
    });
    expect(input.type("x".repeat(4 * 2 ** 20))).toBe(true);
    expect(input.type("x")).toBe(false);
  });

  test("is a bounded number of answers, however often the output asks the terminal", () => {
    const input = new TypedInput({
      post: () => new Promise(() => undefined),
      fetchIsOpen: () => Promise.resolve(true),
      pause: () => Promise.resolve(),
    });
    const model = new OutputModel();
    model.becomeTerminal({ columns: 80, rows: 24 }, (text) => input.answer(text));
    const question = "\u001b[c";
    model.push("stdout", new TextEncoder().encode(question));
    const answerBytes = input.waitingBytes.value;
    expect(answerBytes).toBeGreaterThan(0);
    model.push("stdout", new TextEncoder().encode(question.repeat(20_000)));
    expect(input.waitingBytes.value).toBeLessThan(1_024 + answerBytes);
    expect(input.type("somebody types on")).toBe(true);
  });

  test("a page that was reloaded finds out that the input has ended meanwhile", async () => {
    const { input, settled } = typist(false);
    await input.check();
    await settled();
    expect(input.state.value.kind).toBe("ended");
  });
});
