// argv: tokens file, prefix of owners, how many tokens. Prints each owner when its token is in the file.
import { writeSync } from "node:fs";
import { addToken } from "#iscep/identity/tokens-writer";

const [path = "", prefix = "", count = "0"] = process.argv.slice(2);
for (let index = 0; index < Number(count); index++) {
  const owner = `${prefix}-${index}`;
  await addToken(path, { owner });
  writeSync(1, `${owner}\n`);
}
