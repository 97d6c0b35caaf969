// @ts-check
/** A library user with plain functions: what is loaded for nothing costs time and memory. */
import { createRequire } from "node:module";
import { defineCommand, Server } from "iscep";

const server = new Server({ commands: [defineCommand({ name: "here", run: () => 1 })], port: 0 });
await server.listen();
await server.close();
const loaded = Object.keys(createRequire(import.meta.url).cache);
process.stdout.write(JSON.stringify(loaded.filter((file) => /[\\/](ajv|ajv-formats|jiti|yaml)[\\/]/.test(file))));
