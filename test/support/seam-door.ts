/** A door that only keeps what the server's own doors get of it. */
import type { Door } from "iscep";
import type { BuiltInDoorServer } from "#iscep/doors/built-in-door";

export class SeamDoor implements Door {
  #server: BuiltInDoorServer | undefined;

  get server(): BuiltInDoorServer {
    if (this.#server === undefined) throw new Error("the server does not listen yet");
    return this.#server;
  }

  async open(server: BuiltInDoorServer): Promise<{ url: string }> {
    this.#server = server;
    return { url: "memory:" };
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {}
}
