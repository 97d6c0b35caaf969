// @ts-nocheck plain JavaScript, as somebody else may write it
/* oxlint-disable typescript/no-unsafe-call */

/** One call or attach: its answer, and the output as it comes. */
export class Followed {
  constructor(peer, id, answer, windowBytes) {
    this.id = id;
    this.answer = answer;
    this.progress = [];
    this.started = new Promise((resolve) => (this.resolveStarted = resolve));
    this.peer = peer;
    this.windowBytes = windowBytes;
    this.expected = windowBytes;
    this.consumed = 0;
    this.pieces = [];
    this.wake = () => {};
    this.inputWindow = 0;
    this.inputOffset = undefined;
    this.roomAgain = () => {};
  }

  /** Told by `started`: from where on to send standard input, and how much at first. */
  beginInput(offset, windowBytes) {
    this.inputOffset = offset;
    this.inputWindow = windowBytes;
    this.roomAgain();
  }

  /** Sends the bytes of standard input from wherever the server wants them, and the end behind them. */
  async sendInput(bytes, { end = true } = {}) {
    const { limits } = this.peer.hello;
    const state = { answered: false };
    const stop = () => {
      state.answered = true;
      this.roomAgain();
    };
    this.answer.then(stop, stop);
    await this.started;
    while (!state.answered && this.inputOffset !== undefined && this.inputOffset < bytes.length) {
      const room = Math.min(limits.maxDataBytes, this.inputWindow, this.peer.inputWindow);
      if (room === 0) {
        await new Promise((resolve) => (this.roomAgain = resolve));
        continue;
      }
      const piece = bytes.subarray(this.inputOffset, this.inputOffset + room);
      this.peer.sendData(this.id, this.inputOffset, piece);
      this.inputOffset += piece.length;
      this.inputWindow -= piece.length;
      this.peer.inputWindow -= piece.length;
    }
    if (end && !state.answered && this.inputOffset !== undefined)
      this.peer.sendData(this.id, this.inputOffset, Buffer.alloc(0));
  }

  granted(bytes) {
    this.inputWindow += bytes;
    if (this.inputWindow > this.windowBytes)
      throw new Error("the window of standard input was granted beyond its size");
    this.roomAgain();
  }

  receive(piece) {
    this.expected -= piece.bytes.length;
    if (this.expected < 0) throw new Error("more output came than was granted");
    this.pieces.push(piece);
    this.wake();
  }

  /** Pieces in order, until the number of bytes that the answer tells. `offset` is where this stream begins. */
  async *output(offset = 0) {
    let end = Number.POSITIVE_INFINITY;
    const ended = (data) => {
      end = data?.output ?? offset;
      this.wake();
    };
    this.answer.then(ended, (error) => ended(error.data));
    let position = offset;
    while (position < end || this.pieces.length > 0) {
      const piece = this.pieces.shift();
      if (piece === undefined) {
        await new Promise((resolve) => (this.wake = resolve));
        continue;
      }
      if (piece.offset !== position) throw new Error(`output at ${piece.offset} came, and ${position} was next`);
      position += piece.bytes.length;
      this.peer.granted(piece.bytes.length);
      this.consumed += piece.bytes.length;
      if (this.consumed >= this.windowBytes / 2) {
        this.peer.notify("window", { stream: this.id, bytes: this.consumed });
        this.expected += this.consumed;
        this.consumed = 0;
      }
      yield piece;
    }
  }
}
