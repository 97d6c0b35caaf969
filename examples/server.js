// @ts-check
/**
 * A server, with TLS and for this machine only:
 *
 *     node examples/server.js
 *     ISCEP_URL='iscep://…, as the server printed it' node examples/client.js
 */
import { Server } from "iscep";
import * as commands from "./commands.js";

const server = new Server({ commands, port: Number(process.env["PORT"] ?? 8989) });
const { url } = await server.listen();
console.log(`listening on ${url}`);

// Takes no more calls, lets those under way end, and then nothing keeps the process alive.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void server.close());
