/**
 * Reads multipart/form-data (RFC 7578) as a stream: each part is read before the next one begins, and nothing is held but
 * the bytes that may be a boundary.
 */
import { IscepError } from "../../../errors.js";

export interface Part {
  readonly name: string;
  /** Read it to its end before you ask for the next part. */
  readonly body: AsyncIterable<Uint8Array>;
}

const lineEnd = "\r\n";
const headEnd = Buffer.from("\r\n\r\n");
const maxHeadBytes = 8_192;

/** The boundary that a Content-Type names. @throws IscepError `protocol` when there is none */
export function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) throw wrong("its Content-Type names no boundary");
  return boundary;
}

/** @throws IscepError `protocol` for a body that is no multipart/form-data, or that ends too early */
export async function* partsOf(source: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<Part, void, void> {
  const bytes = new Bytes(source);
  const first = `--${boundary}`;
  if ((await bytes.upTo(Buffer.from(first), maxHeadBytes)).length > 0)
    throw wrong("it does not begin with its boundary");
  const delimiter = Buffer.from(lineEnd + first);
  for (;;) {
    const end = await bytes.take(2);
    if (end === "--") return;
    if (end !== lineEnd) throw wrong("a boundary is not the whole of its line");
    const head = (await bytes.upTo(headEnd, maxHeadBytes)).toString("utf8");
    const name = nameOf(head);
    let isOver = false;
    const body = (async function* () {
      for await (const chunk of bytes.until(delimiter)) yield chunk;
      isOver = true;
    })();
    yield { name, body };
    if (!isOver) for await (const _ of body);
  }
}

function nameOf(head: string): string {
  const [, name] = /^content-disposition:\s*form-data\s*;(?:.*;)?\s*name="([^"\r\n]{0,128})"/im.exec(head) ?? [];
  if (name === undefined) throw wrong("a part has no name");
  return name;
}

function wrong(why: string): IscepError {
  return new IscepError("protocol", `the body is no multipart/form-data that can be read: ${why}`);
}

/** Bytes of a source, of which some were read and not yet used. */
class Bytes {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** @throws IscepError `protocol` at the end of the source */
  async #more(): Promise<void> {
    const next = await this.#source.next();
    if (next.done === true) throw wrong("it ends before its last boundary");
    const { buffer, byteOffset, byteLength } = next.value;
    const chunk = Buffer.from(buffer, byteOffset, byteLength);
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
  }

  async take(count: number): Promise<string> {
    while (this.#held.length < count) await this.#more();
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken.toString("latin1");
  }

  /** What stands before the mark. The mark is used too. @throws IscepError `protocol` when it does not come in time */
  async upTo(mark: Buffer, maxBytes: number): Promise<Buffer> {
    for (;;) {
      const at = this.#held.indexOf(mark);
      if (at !== -1) {
        const before = this.#held.subarray(0, at);
        this.#held = this.#held.subarray(at + mark.length);
        return before;
      }
      if (this.#held.length > maxBytes + mark.length) throw wrong("the head of a part is too long");
      await this.#more();
    }
  }

  /** What stands before the mark, as it comes. The mark is used too. */
  async *until(mark: Buffer): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const at = this.#held.indexOf(mark);
      // The last bytes may be the beginning of the mark.
      const sure = at === -1 ? Math.max(0, this.#held.length - mark.length + 1) : at;
      const before = this.#held.subarray(0, sure);
      this.#held = this.#held.subarray(at === -1 ? sure : at + mark.length);
      if (before.length > 0) yield before;
      if (at !== -1) return;
      await this.#more();
    }
  }
}
