import { defineCommand, Server } from "iscep";

const wait = defineCommand({
  name: "wait",
  run: (_args, { signal }) => new Promise((_, no) => signal.addEventListener("abort", no)),
});
const server = new Server({ commands: [wait], port: Number(process.argv[2]), tls: false });
const { url } = await server.listen();
console.log(url);
