/** Deliveries of webhooks. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { type HookDefinition } from "iscep/http";
import { githubPush } from "./deliveries.js";
import { temporaryFolder } from "./temporary-folder.js";

export function secretFile(secret: string): string {
  const file = path.join(temporaryFolder(), "secret");
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  return file;
}

export const github = (secret = secretFile(githubPush.secret)): HookDefinition => ({
  command: "deploy",
  kind: "github",
  secret,
  when: { "X-GitHub-Event": "push", "/ref": "refs/heads/main" },
  args: { commit: { from: "/after" } },
});
