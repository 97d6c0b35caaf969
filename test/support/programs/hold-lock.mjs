// argv: a file. Takes its lock, says so, and holds it until it is killed.
import { withFileLock } from "#iscep/files/file-lock";

const [path = ""] = process.argv.slice(2);
await withFileLock(path, 10_000, async () => {
  console.log("locked");
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
