import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { readSecret } from "#iscep/files/secret-place";
import { temporaryFolder } from "../support/temporary-folder.js";

test.each(["", "\n", "\r\n"])("a secret is the same from a file and from a variable that ends with %j", (end) => {
  const secret = "a secret of thirty characters.";
  const file = path.join(temporaryFolder(), "secret");
  writeFileSync(file, secret + end, { mode: 0o600 });
  process.env["ISCEP_TEST_SECRET"] = secret + end;
  try {
    expect(readSecret({ env: "ISCEP_TEST_SECRET" })).toBe(secret);
    expect(readSecret(file)).toBe(secret);
  } finally {
    delete process.env["ISCEP_TEST_SECRET"];
  }
});
