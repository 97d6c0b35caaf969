// argv: state folder. Prints the pin of its certificate, and whether it was this process that made it.
import { ensureServerCertificate } from "#iscep/identity/certificates";

const [folder = ""] = process.argv.slice(2);
const { pin, created } = await ensureServerCertificate(folder);
console.log(JSON.stringify({ pin, created }));
