// Serves the commands of outcome-commands.mjs through all doors: FOLDER PORT [URL of a broker]. Prints its addresses as JSON.
import { httpDoor } from "iscep/http";
import { natsDoor } from "iscep/nats";
import { outcomeServer } from "./outcome-commands.mjs";

const [folder = "", port = "0", nats] = process.argv.slice(2);
const doors = [httpDoor(), ...(nats === undefined ? [] : [natsDoor({ url: nats, name: "killed" })])];
const server = outcomeServer(folder, { port: Number(port), doors });
console.log(JSON.stringify(await server.listen()));
