// argv: tokens file, port, rounds. Changes the file and at once asks the server about the token; prints the wrong answers.
import { once } from "node:events";
import { connect } from "node:net";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";

const [path = "", port = "", rounds = ""] = process.argv.slice(2);
const socket = connect({ host: "127.0.0.1", port: Number(port), noDelay: true });
await once(socket, "connect");

/** @param {string} token */
async function ask(token) {
  socket.write(token);
  const [answer] = await once(socket, "data");
  return String(answer);
}

for (let round = 0; round < Number(rounds); round++) {
  const { token } = await addToken(path, { owner: "alice" });
  const added = await ask(token);
  await removeToken(path, "alice");
  const removed = await ask(token);
  if (added !== "yes" || removed !== "no") console.log(`round ${round}: ${added} when added, ${removed} when removed`);
}
socket.destroy();
