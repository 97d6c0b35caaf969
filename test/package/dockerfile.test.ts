/**
 * The steps of the Dockerfile, each as it stands there; no engine runs here. In place of the base image is this machine's
 * own root folder, under a layer that takes what is written. So the steps and their order are tried, and what the base
 * image has is not.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import { imageSettings, readDockerfile } from "../support/dockerfile.js";
import { run } from "../support/package-programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const dockerfile = "examples/container/Dockerfile";
const image = imageSettings(dockerfile);
const folder = temporaryFolder();
const reason = whyNot();
const mayBeSkipped = process.env["CI"] === undefined;
if (reason !== undefined && mayBeSkipped) console.warn(`skipped: the steps of the Dockerfile, as ${reason}`);

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return "only root may make a mount namespace";
  const script = ["set -eu", "mount -t tmpfs tmpfs $1", "cd $1", ...stage("probe"), "chroot probe true"].join("\n");
  const tried = spawnSync("unshare", ["--mount", "--propagation", "private", "sh", "-c", script, "sh", folder]);
  return tried.status === 0 ? undefined : `this machine has no unshare with overlays: ${String(tried.stderr)}`;
}

/** The root folder of a stage: what is written to it stays in memory, and goes with the namespace. */
function stage(name: string): string[] {
  return [
    `mkdir upper-${name} work-${name} ${name}`,
    `mount -t overlay overlay -o lowerdir=/,upperdir=upper-${name},workdir=work-${name} ${name}`,
    `mount -t tmpfs tmpfs ${name}/tmp`,
    `mount --rbind /dev ${name}/dev`,
    `mount -t proc proc ${name}/proc`,
  ];
}

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** COPY to a name that ends in a slash, or of several files, is into that folder. */
function copy(words: readonly string[], current: string, inside: string): string[] {
  const from = /^--from=(\S+)$/.exec(words[0] ?? "")?.[1];
  const files = words.slice(from === undefined ? 0 : 1, -1);
  const to = words.at(-1) ?? "";
  const target = path.join(current, path.resolve(inside, to));
  const into = to.endsWith("/") || files.length > 1;
  return [
    `mkdir -p ${into ? target : path.dirname(target)}`,
    ...files.map((file) => {
      const source = quoted(path.join(from ?? process.cwd(), file));
      return `cp -RT ${source} ${into ? path.join(target, path.basename(file)) : target}`;
    }),
  ];
}

/** One script, as its mounts live as long as its namespace does. The last stage is called "image". */
function steps(): string[] {
  let current = "";
  let inside = "/";
  return readDockerfile(dockerfile).flatMap(({ name, text }) => {
    const words = text.split(/\s+/);
    switch (name) {
      case "FROM":
        [, , current = "image"] = words;
        inside = "/";
        return stage(current);
      case "WORKDIR":
        inside = text;
        return [`mkdir -p ${current}${text}`];
      case "COPY":
        return copy(words, current, inside);
      case "RUN":
        return [`chroot ${current} sh -euc ${quoted(`cd ${inside}\n${text}`)}`];
      default:
        return [];
    }
  });
}

/** In a network of its own, where the image's port is free. */
function serveAndCall(): string {
  const { uid, gid } = image.user;
  const environment = Object.entries({
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    TINI_SUBREAPER: "1", // the shell is process 1 here
    ...image.environment,
  }).map(([name, value]) => quoted(`${name}=${value}`));
  const [entrypoint, command] = [image.entrypoint.join(" "), image.command.join(" ")];
  const script = `
    token=$(${entrypoint} tokens add operator)
    mkfifo /tmp/lines
    ${entrypoint} ${command} >/tmp/lines &
    exec 3</tmp/lines
    read port <&3
    read socket <&3
    echo "$port"
    ISCEP_TOKEN=$token ISCEP_URL=\${socket#listening on } iscep call disk_space
    kill $!
    wait $!
    stat -c '%n %U %G %a' /run/iscep /var/lib/iscep /var/lib/iscep/tokens.json
  `;
  const rights = `setpriv --reuid ${uid} --regid ${gid} --clear-groups --no-new-privs`;
  return `unshare --net --pid --fork chroot image ${rights} env -i ${environment.join(" ")} sh -euc ${quoted(script)}`;
}

test.skipIf(reason !== undefined && mayBeSkipped)(
  "the steps of the Dockerfile make an image in which its user serves, and is called (skipped without root)",
  () => {
    expect(reason).toBeUndefined();
    const script = ["set -eu", "mount -t tmpfs tmpfs $1", "cd $1", ...steps(), serveAndCall()].join("\n");
    const said = run(process.cwd(), "unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", folder);
    expect(said).toMatch(/^listening on iscep:\/\/127\.0\.0\.1:8989\?pin=sha256:/m);
    expect(said).toMatch(/^Filesystem /m);
    expect(said).toMatch(/^\/run\/iscep iscep iscep-callers 2750$/m);
    expect(said).toMatch(/^\/var\/lib\/iscep iscep iscep 700$/m);
    expect(said).toMatch(/^\/var\/lib\/iscep\/tokens\.json iscep iscep 600$/m);
  },
);
