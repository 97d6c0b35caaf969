// Adds tokens one after the other, and prints each owner whose token is kept: `add-tokens.mjs TOKENS_FILE PREFIX COUNT`.
import { addToken } from "#iscep/identity/tokens-writer";

const [file, prefix, count] = process.argv.slice(2);
if (file === undefined) throw new Error("add-tokens.mjs TOKENS_FILE PREFIX COUNT");
for (let index = 0; index < Number(count); index++) {
  const owner = `${prefix}-${index}`;
  await addToken(file, { owner });
  process.stdout.write(`${owner}\n`);
}
