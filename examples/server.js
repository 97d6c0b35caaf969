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

// This accepts no more calls and lets the present ones end. Then nothing keeps the process alive.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void server.close());
