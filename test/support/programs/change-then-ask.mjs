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

/**
 * The packet and the system's report of the change may reach the server in one turn of its event loop, in either order.
 * Then the packet behind that one counts.
 * @param {string} token
 * @param {string} expected
 */
async function askTwice(token, expected) {
  const answer = await ask(token);
  return answer === expected ? answer : ask(token);
}

for (let round = 0; round < Number(rounds); round++) {
  const { token } = await addToken(path, { owner: "alice" });
  const added = await askTwice(token, "yes");
  await removeToken(path, "alice");
  const removed = await askTwice(token, "no");
  if (added !== "yes" || removed !== "no") console.log(`round ${round}: ${added} when added, ${removed} when removed`);
}
socket.destroy();
