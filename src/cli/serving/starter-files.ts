/** The files that `iscep init` writes, except tokens, key and certificate. */
import { join } from "node:path";

export interface StarterFile {
  readonly name: string;
  readonly text: string;
  readonly mode: number;
}

export const configurationFile = "iscep.yaml";

const configuration = `# What this server offers, and to whom. \`iscep serve\` starts it.

# 0.0.0.0:8989 lets other machines call. The tokens then decide who may.
listen: 127.0.0.1:8989

# Who may call: iscep tokens add|remove|list|rotate OWNER. A removed token is refused at once.
tokens: tokens.json

# The same port speaks HTTP: a console for browsers, and requests by curl.
http: true

# By this certificate clients know the server: iscep cert --show cert.pem prints its pin. The key is secret.
tls: { cert: cert.pem, key: key.pem }

# access.log, error.log and commands.log; a week of them is kept.
# logs: logs

# Commands written in JavaScript or TypeScript: see defineCommand.
# modules: [commands.js]

commands:
  hello:
    description: Greet someone
    run: [echo, "hello,", "{name}"]
    args:
      name: { type: string, default: world }

  archive:
    description: Archive a folder, and tell where the archive is
    # A program and its arguments, never a shell. Each {argument} fills one of them as a whole.
    run: [./archive.sh, "{folder}"]
    args:
      folder: { type: string, pattern: "[a-z0-9_-]+", default: data }
    timeout: 10m
`;

const script = `#!/bin/sh
# Archives the folder that is named by the first argument. What it prints goes back to the caller, and so does its exit code.
set -eu
if [ ! -d "$1" ]; then
  echo "there is no folder $1 to archive" >&2
  exit 66
fi
mkdir -p archives
archive="archives/$1-$(date -u +%Y%m%dT%H%M%SZ)-$$.tar"
tar -cf "$archive" -- "$1"
echo "$archive"
`;

export const starterFiles: readonly StarterFile[] = [
  { name: configurationFile, text: configuration, mode: 0o644 },
  { name: "archive.sh", text: script, mode: 0o755 },
  { name: join("data", "notes.txt"), text: "Something to archive.\n", mode: 0o644 },
];
