// An instance of a service on a machine whose clock is wrong.
// Arguments: the broker's address with the service, by how many milliseconds its clock is ahead, and the tokens file.
const [url = "", skewMs = "0", tokens = ""] = process.argv.slice(2);

const Real = Date;
const now = () => Real.now() + Number(skewMs);
globalThis.Date = new Proxy(Real, {
  construct: (_type, args) => (args.length === 0 ? new Real(now()) : Reflect.construct(Real, args)),
  get: (type, name) => (name === "now" ? now : Reflect.get(type, name)),
});

const { defineCommand, Server } = await import("iscep");
const { natsDoor } = await import("#iscep/doors/nats/door");

let counted = 0;
const count = defineCommand({ name: "count", run: () => ++counted });
const hang = defineCommand({
  name: "hang",
  run: (_args, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined))),
});
const server = new Server({ commands: [count, hang], listen: [], tokens, logs: false, doors: [natsDoor({ url })] });
await server.listen();
process.stdout.write("ready\n");
