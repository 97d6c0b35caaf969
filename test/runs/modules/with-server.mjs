// @ts-check
/** As people write it: the commands and the server in one module. */
import { defineCommand, Server } from "iscep";

export const answer = defineCommand({ name: "answer", thread: true, run: () => later() });
const later = () => 42;
export const server = new Server({ commands: [answer], port: 0 });
export const { url } = await server.listen();
export const afterListening = defineCommand({ name: "after_listening", thread: true, run: () => 1 });
