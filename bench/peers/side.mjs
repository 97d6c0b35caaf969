// Each side of a comparison is a process of its own, which gets its orders by messages (role.mjs).
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const roleFile = fileURLToPath(new URL("role.mjs", import.meta.url));

export class Side {
  #child;
  constructor(peer) {
    this.#child = fork(roleFile, [peer], { execArgv: ["--expose-gc"] });
    this.ready = this.#next();
  }

  #next() {
    return new Promise((resolve, reject) => {
      const gone = (code) => reject(new Error(`a side of the benchmark ended with ${code}`));
      this.#child.once("exit", gone);
      this.#child.once("message", (message) => {
        this.#child.off("exit", gone);
        if (message.error === undefined) resolve(message);
        else reject(new Error(message.error));
      });
    });
  }

  ask(message) {
    const answer = this.#next();
    this.#child.send(message);
    return answer;
  }

  async stop() {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.disconnect();
    await ended;
  }
}
