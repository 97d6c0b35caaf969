// argv: tokens file. Opens it and does nothing more: the process must end by itself.
import { defaultLimits } from "#iscep/limits/limits";
import { openTokenStore } from "#iscep/identity/token-store";

const [path = ""] = process.argv.slice(2);
openTokenStore(path, { limits: defaultLimits, onProblem: console.error });
console.log("open");
