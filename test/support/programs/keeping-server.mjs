// Serves the commands of keeping-commands.mjs; keeps its runs in the folder that it is given. Prints its address.
import { keepingServer } from "./keeping-commands.mjs";

const [folder = "", logs = "no", limits = "{}"] = process.argv.slice(2);
const server = keepingServer(folder, logs !== "no", JSON.parse(limits));
const { url } = await server.listen();
process.on("SIGTERM", () => void server.close({ graceMs: 0 }));
// What is under way may end, however long that takes.
process.on("SIGUSR2", () => void server.close({ graceMs: 600_000 }));
console.log(url);
