// argv: tokens file, prefix of owners, how many tokens. Prints each owner when its token is in the file.
import { writeSync } from "node:fs";
import { defaultLimits } from "#iscep/limits/limits";
import { addToken } from "#iscep/identity/tokens-writer";

const [path = "", prefix = "", count = "0"] = process.argv.slice(2);
for (let index = 0; index < Number(count); index++) {
  const owner = `${prefix}-${index}`;
  // When there are many writers on a busy machine, one may wait for long until it has the lock.
  await addToken(path, { owner, limits: { ...defaultLimits, fileLockTimeoutMs: 50_000 } });
  writeSync(1, `${owner}\n`);
}
