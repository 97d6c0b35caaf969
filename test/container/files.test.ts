/** The files that people take as they are: what they say of each other, and of the package, has to hold. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { runInNewContext } from "node:vm";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { loadConfiguration } from "#iscep/configuration/configuration";
import { parseAddress } from "#iscep/transport/address";
import { imageSettings, readDockerfile } from "../support/dockerfile.js";

const dockerfile = "examples/container/Dockerfile";
const image = imageSettings(dockerfile);
const instructions = readDockerfile(dockerfile);
const temporary = mkdtempSync(path.join(os.tmpdir(), "iscep-files-"));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

describe("the Dockerfile", () => {
  const copies = instructions.filter(({ name }) => name === "COPY").map(({ text }) => text.split(/\s+/));

  test("copies what is there, and from its own first stage what the package needs", () => {
    const ofContext = copies
      .filter(([from = ""]) => !from.startsWith("--from="))
      .flatMap((words) => words.slice(0, -1));
    expect(ofContext.filter((file) => !existsSync(file))).toEqual([]);
    expect(ofContext).toEqual(
      expect.arrayContaining(["package-lock.json", ".npmrc", "src", "console", "scripts/build.mjs"]),
    );
    // What builds has to be there with all that it imports.
    const imported = [...readFileSync("scripts/build.mjs", "utf8").matchAll(/from "\.\/([^"]+)"/g)];
    expect(imported.length).toBeGreaterThan(0);
    expect(ofContext).toEqual(expect.arrayContaining(imported.map(([, file]) => `scripts/${file}`)));
    const ofStage = copies.filter(([from]) => from === "--from=build").map(([, , to]) => to);
    expect(ofStage.toSorted()).toEqual(["dist", "node_modules", "package.json"].map((part) => `/opt/iscep/${part}`));
  });

  test("is of one Node, that iscep supports, and names no registry", () => {
    const bases = instructions.filter(({ name }) => name === "FROM").map(({ text }) => text.split(" ")[0]);
    expect(new Set(bases).size).toBe(1);
    expect(bases[0]).toMatch(/^node:2[246]-bookworm-slim$/);
  });

  test("runs a server that is not root, under an init", () => {
    expect(image.user.uid).toBeGreaterThan(1000);
    expect(image.user.gid).toBeGreaterThan(1000);
    expect([...image.entrypoint, ...image.command]).toEqual(["tini", "--", "iscep", "serve"]);
  });
});

test("the image's iscep.yaml listens on the port and the socket, and asks for tokens", async () => {
  const { listen, tokens, logs } = await loadConfiguration("examples/container/iscep.yaml");
  expect(listen).toEqual([{ host: "0.0.0.0", port: 8989 }, { unix: "/run/iscep/iscep.sock" }]);
  expect(tokens).toBe(image.environment["ISCEP_TOKENS_FILE"]);
  expect(logs).toMatch(new RegExp(`^${image.environment["ISCEP_STATE_DIR"]}/`));
});

describe("the compose file", () => {
  const service = z.object({
    extends: z.object({ service: z.string() }).optional(),
    build: z.object({ context: z.string(), dockerfile: z.string() }).optional(),
    environment: z.record(z.string(), z.string()).default({}),
    volumes: z.array(z.string()).default([]),
    secrets: z.array(z.string()).default([]),
    group_add: z.array(z.string()).default([]),
    ports: z.array(z.string()).default([]),
    init: z.boolean().optional(),
    cap_drop: z.array(z.string()).optional(),
    user: z.string().optional(),
  });
  const compose = z
    .object({
      services: z.record(z.string(), service),
      volumes: z.record(z.string(), z.null()),
      secrets: z.record(z.string(), z.object({ file: z.string() })),
    })
    .parse(parse(readFileSync("examples/container/compose.yaml", "utf8")));
  const services = Object.values(compose.services);

  test("builds with the Dockerfile, and uses no volume, secret or service that it does not have", () => {
    const builds = services.flatMap(({ build }) => build ?? []);
    const folder = "examples/container";
    expect(builds.map(({ context, dockerfile }) => path.join(folder, context, dockerfile))).toEqual([
      dockerfile,
      dockerfile,
    ]);
    const named = services.flatMap(({ volumes }) => volumes.map((volume) => volume.split(":")[0]));
    expect(new Set(named)).toEqual(new Set(Object.keys(compose.volumes)));
    expect(services.flatMap(({ secrets }) => secrets)).toEqual(Object.keys(compose.secrets));
    const bases = services.flatMap((it) => it.extends?.service ?? []);
    expect(bases.filter((base) => !(base in compose.services))).toEqual([]);
  });

  test("keeps what has to stay where the image keeps it, and no second init beside the image's", () => {
    const { volumes, init, ports } = service.parse(compose.services["service"]);
    expect(volumes).toContain(`state:${image.environment["ISCEP_STATE_DIR"]}`);
    expect(volumes).toContain("socket:/run/iscep");
    expect(init).toBeUndefined();
    expect(ports).toEqual(["127.0.0.1:8989:8989"]);
  });

  test("gives its callers addresses that iscep reads, of the socket and of the service", () => {
    const addresses = services
      .flatMap(({ environment }) => environment["ISCEP_URL"] ?? [])
      .map((url) => parseAddress(url.replace("${ISCEP_PIN:-}", `sha256:${"A".repeat(43)}`)));
    expect(addresses).toEqual([
      { kind: "unix", path: "/run/iscep/iscep.sock" },
      { kind: "tls", host: "service", port: 8989, pin: `sha256:${"A".repeat(43)}` },
    ]);
    const groups = instructions.flatMap(({ text }) => /--gid (\d+) iscep-callers/.exec(text)?.[1] ?? []);
    expect(compose.services["caller-by-socket"]?.group_add).toEqual(groups);
  });
});

const hasAnalyze = spawnSync("systemd-analyze", ["--version"]).status === 0; // skipped where there is no systemd-analyze

describe.skipIf(!hasAnalyze && process.env["CI"] === undefined)(
  "the systemd unit (skipped without systemd-analyze)",
  () => {
    const text = readFileSync("examples/systemd/iscep.service", "utf8");

    /** With a program that is there, as it is the one thing that the unit has not itself. */
    function verified(unit: string) {
      const file = path.join(temporary, "iscep.service");
      writeFileSync(file, unit.replace("ExecStart=/usr/local/bin/iscep ", "ExecStart=/bin/true "));
      const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
      return { status, said: stdout + stderr };
    }

    test("is taken by systemd without a word, which has some for a unit that is wrong", () => {
      expect(verified(text)).toEqual({ status: 0, said: "" });
      expect(verified(text.replace("PrivateTmp=", "PrivatTmp=")).said).toContain("PrivatTmp");
    });

    test("exposes little by systemd's own count, of 10 at most", () => {
      const rated = (unit: string): number | null => {
        const file = path.join(temporary, "iscep.service");
        writeFileSync(file, unit);
        return spawnSync("systemd-analyze", ["security", "--offline=true", "--threshold=20", file]).status;
      };
      expect(rated(text)).toBe(0);
      expect(rated(text.replaceAll(/^(?:Protect|Restrict|SystemCall|Capability).*$/gm, ""))).not.toBe(0);
    });

    test("takes the drop-in for sudo", () => {
      const dropIns = path.join(temporary, "iscep.service.d");
      mkdirSync(dropIns);
      const written = (conf: string): void => writeFileSync(path.join(dropIns, "sudo.conf"), conf);
      const conf = readFileSync("examples/systemd/sudo.conf", "utf8");
      written(conf);
      expect(verified(text)).toEqual({ status: 0, said: "" });
      written(conf.replace("NoNewPrivileges=", "NoNewPrivilege="));
      expect(verified(text).said).toContain("NoNewPrivilege");
      rmSync(dropIns, { recursive: true });
    });

    test("does not forbid what Node's compiler does", () => {
      expect(text).not.toMatch(/^MemoryDenyWriteExecute=(?:yes|true|on|1)/m);
    });
  },
);

describe("the rules for polkit", () => {
  type Rule = (action: { id: string; lookup(name: string): string }, subject: { user: string }) => unknown;
  const rules: Rule[] = [];
  runInNewContext(readFileSync("examples/systemd/50-iscep.rules", "utf8"), {
    polkit: { addRule: (rule: Rule) => rules.push(rule), Result: { YES: "yes" } },
  });
  const manage = "org.freedesktop.systemd1.manage-units";

  test.each([
    ["iscep", manage, "game.service", "restart", "yes"],
    ["other", manage, "game.service", "restart", undefined],
    ["iscep", manage, "other.service", "restart", undefined],
    ["iscep", manage, "game.service", "stop", undefined],
    ["iscep", "org.freedesktop.systemd1.manage-unit-files", "game.service", "restart", undefined],
  ])("%s, %s, %s, %s: %s", (user, id, unit, verb, answer) => {
    const lookup = (name: string): string => ({ unit, verb })[name] ?? "";
    expect(rules.map((rule) => rule({ id, lookup }, { user }))).toEqual([answer]);
  });
});
