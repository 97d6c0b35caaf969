/**
 * Real containers of a real engine, without a registry: the image begins FROM scratch, with the libraries of this machine,
 * and has the settings of examples/container/Dockerfile. Node, which is large, and the package are mounted.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { connect } from "iscep";
import { createCertificate } from "#iscep/identity/certificates";
import { addToken } from "#iscep/identity/tokens-writer";
import { readDockerfile, imageSettings } from "../support/dockerfile.js";

const dockerfile = "examples/container/Dockerfile";
const { user, environment } = imageSettings(dockerfile);
const folder = mkdtempSync(path.join(os.tmpdir(), "iscep-podman-"));
const image = `localhost/iscep-test-${process.pid}`;

// The defaults of podman ask for more open files than some machines grant.
writeFileSync(path.join(folder, "containers.conf"), "[containers]\ndefault_ulimits = []\n");
const engine = spawnSync("runc", ["--version"]).status === 0 ? ["--runtime", "runc"] : [];

function podman(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync("podman", [...engine, ...words], {
    encoding: "utf8",
    env: { ...process.env, CONTAINERS_CONF: path.join(folder, "containers.conf") },
  });
  return { status, stdout, stderr: stderr ?? "" };
}

function succeed(...words: string[]): string {
  const { status, stdout, stderr } = podman(...words);
  if (status !== 0) throw new Error(`podman ${words.join(" ")} ended with ${status}: ${stderr}`);
  return stdout.trim();
}

const inImage = ["node", "sh", "tini", "mkfifo", "echo", "id", "touch"];

/** The root folder of the image: programs of this machine, with the libraries that they are linked with. */
function makeRoot(root: string): void {
  const put = (from: string, to: string): void => {
    mkdirSync(path.dirname(to), { recursive: true });
    copyFileSync(from, to);
    chmodSync(to, 0o755);
  };
  for (const name of inImage) {
    const file = realpathSync(
      name === "node"
        ? process.execPath
        : execFileSync("sh", ["-c", `command -v ${name} || ls /bin/${name}`], { encoding: "utf8" })
            .trim()
            .replace(/^echo$/, "/bin/echo"),
    );
    if (name !== "node") put(file, path.join(root, "usr/bin", name));
    const libraries = spawnSync("ldd", [file], { encoding: "utf8" }).stdout.match(/\/\S+/g) ?? [];
    for (const library of libraries) put(realpathSync(library), path.join(root, library));
  }
  mkdirSync(path.join(root, "bin"));
  put(path.join(root, "usr/bin/sh"), path.join(root, "bin/sh"));
  mkdirSync(path.join(root, "etc"));
  writeFileSync(path.join(root, "etc/passwd"), `iscep:x:${user.uid}:${user.gid}::/var/lib/iscep:/bin/sh\n`);
  writeFileSync(path.join(root, "usr/bin/iscep"), '#!/bin/sh\nexec node /opt/iscep/dist/cli/main.js "$@"\n', {
    mode: 0o755,
  });
  for (const made of ["tmp", "run/iscep", "var/lib/iscep", "opt/iscep", "etc/iscep"])
    mkdirSync(path.join(root, made), { recursive: true });
  chmodSync(path.join(root, "tmp"), 0o1777);
}

/** Why there are no containers; undefined when there are. */
function whyNot(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return "only root on Linux can do this without a set-up";
  if (spawnSync("podman", ["--version"]).status !== 0) return "podman is not installed";
  makeRoot(path.join(folder, "root"));
  const instructions = readDockerfile(dockerfile);
  const settings = instructions
    .slice(instructions.findLastIndex(({ name }) => name === "FROM"))
    .filter(({ name }) => ["ENV", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"].includes(name))
    .map(({ name, text }) => `${name} ${text}`);
  writeFileSync(path.join(folder, "Dockerfile"), `FROM scratch\nCOPY root/ /\n${settings.join("\n")}\n`);
  // Another copy of this test may remove a layer that it has made, and that a build would take from the cache.
  const built = podman("build", "--quiet", "--layers=false", "--format", "docker", "--tag", image, folder);
  if (built.status !== 0) return built.stderr;
  const tried = podman("run", "--rm", "--network", "none", "--entrypoint", "/usr/bin/id", image);
  return tried.status === 0 ? undefined : tried.stderr;
}

const reason = whyNot();
afterAll(() => {
  podman("rmi", "--force", image);
  rmSync(folder, { recursive: true, force: true });
});

interface Started {
  readonly name: string;
  readonly state: string;
  readonly socket: string;
  inside(...words: string[]): { status: number | null; stdout: string; stderr: string };
  address(): Promise<string>;
}

let count = 0;

/** As docs/CONTAINERS.md says: nothing of the root folder can be written, only the two volumes and /tmp. */
async function start(more: readonly string[], configuration: string): Promise<Started> {
  const name = `iscep-test-${process.pid}-${++count}`;
  const own = (part: string, mode: number): string => {
    const made = path.join(folder, `${name}-${part}`);
    mkdirSync(made);
    chmodSync(made, mode);
    chownSync(made, user.uid, user.gid);
    return made;
  };
  const [state, socket] = [own("state", 0o700), own("socket", 0o750)];
  const file = path.join(folder, `${name}.yaml`);
  writeFileSync(file, configuration);
  const volumes = [
    ...["dist", "node_modules", "package.json"].map((part) => `${process.cwd()}/${part}:/opt/iscep/${part}:ro`),
    `${realpathSync(process.execPath)}:/usr/bin/node:ro`,
    `${state}:/var/lib/iscep`,
    `${socket}:/run/iscep`,
    `${file}:/etc/iscep/iscep.yaml:ro`,
  ].flatMap((volume) => ["--volume", volume]);
  const common = ["--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", ...volumes, ...more];
  // The first as the document says. A container for each other token takes longer than all that its test does.
  if (count === 1) succeed("run", "--rm", ...common, image, "tokens", "add", "operator", "--json");
  else {
    const tokens = path.join(state, path.basename(environment["ISCEP_TOKENS_FILE"] ?? ""));
    await addToken(tokens, { owner: "operator" });
    chownSync(tokens, user.uid, user.gid);
  }
  succeed("run", "--detach", "--name", name, ...common, image);
  onTestFinished(() => void podman("rm", "--force", "--time", "1", name));
  return {
    name,
    state,
    socket: path.join(socket, "iscep.sock"),
    inside: (...words) => podman("exec", name, ...words),
    async address() {
      await expect.poll(() => podman("logs", name).stdout, { timeout: 20_000 }).toContain("listening on iscep+unix:");
      return /listening on (iscep:\S+)/.exec(podman("logs", name).stdout)?.[1] ?? "";
    },
  };
}

const configuration = `
listen: ["127.0.0.1:8989", "unix:/run/iscep/iscep.sock"]
tokens: ${environment["ISCEP_TOKENS_FILE"]}
commands:
  who: { run: [id, -u] }
  write: { run: [touch, /etc/changed], output: none }
  leave: { run: [sh, -c, "sh -c 'exit 0' & exit 0"], output: none }
`;

describe.skipIf(reason !== undefined)(`containers of podman (${reason ?? "run"})`, { timeout: 60_000 }, () => {
  test("serve callers on the host by a shared socket, are well by the image's own check, and stop in good order", async () => {
    const started = await start([], configuration);
    await started.address();
    const made = succeed("exec", started.name, "iscep", "tokens", "add", "caller", "--json");
    const { token } = JSON.parse(made) as { token: string };
    await using client = await connect(`iscep+unix://${started.socket}`, { token });
    expect(await client.call("who")).toMatchObject({ stdout: `${user.uid}\n`, exitCode: 0 });
    // The root folder is read-only, for the scripts too.
    await expect(client.call("write")).rejects.toMatchObject({
      code: "failed",
      message: expect.stringMatching(/Read-only/),
    });
    await client.call("leave");
    await client.close();
    expect(podman("healthcheck", "run", started.name)).toMatchObject({ status: 0 });
    const stopping = podman("stop", "--time", "20", started.name);
    expect(stopping.status).toBe(0);
    expect(succeed("inspect", "--format", "{{.State.ExitCode}}", started.name)).toBe("0");
    expect(podman("healthcheck", "run", started.name).status).not.toBe(0);
  });

  test("are ill by the image's own check when the server does not answer", async () => {
    const started = await start(
      [],
      configuration.replace('"unix:/run/iscep/iscep.sock"', '"unix:/run/iscep/other.sock"'),
    );
    await started.address();
    expect(podman("healthcheck", "run", started.name).status).toBe(1);
  });

  test("of the same key have the same pin, which a new container keeps", async () => {
    const { certPem, keyPem, pin } = await createCertificate();
    const secrets = path.join(folder, "secrets");
    mkdirSync(secrets);
    for (const [name, pem] of [
      ["cert.pem", certPem],
      ["key.pem", keyPem],
    ] as const) {
      writeFileSync(path.join(secrets, name), pem, { mode: 0o400 });
      chownSync(path.join(secrets, name), user.uid, user.gid);
    }
    const replica = (): Promise<Started> =>
      start(
        ["--volume", `${secrets}:/run/secrets:ro`],
        `${configuration}\ntls: { cert: /run/secrets/cert.pem, key: /run/secrets/key.pem }\n`,
      );
    const replicas = [await replica(), await replica()];
    for (const each of replicas) {
      expect(await each.address()).toBe(`iscep://127.0.0.1:8989?pin=${pin}`);
      const { status, stderr } = each.inside("iscep", "ping", "--url", `iscep://127.0.0.1:8989?pin=${pin}`);
      expect({ status, stderr }).toMatchObject({ status: 77, stderr: expect.stringContaining("token") });
    }
  });
});
