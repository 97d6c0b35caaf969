/**
 * The server behind the wall of a container: its own network, files and process numbers. It is the image's own
 * configuration, entrypoint and user; only the engine is missing, whose part `containers.ts` plays.
 */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect as dial, createServer, type AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { connect, isIscepError, type Client, type ScriptResult } from "iscep";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { iscep } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { Container, image, whyNoContainers, type Folder } from "../support/containers.js";
import { ownNumber } from "../support/own-port.js";

const reason = whyNoContainers();
if (reason !== undefined && process.env["CI"] === undefined) console.warn(`skipped: no containers here, as ${reason}`);

/** The group that iscep-callers is in the Dockerfile, and a caller in another container. */
const callers = 10_002;
const caller = { uid: 10_003, gid: 10_003 };
const socketUrl = "iscep+unix:///run/iscep/iscep.sock";

const folder = reason === undefined ? mkdtempSync(path.join(os.tmpdir(), "iscep-wall-")) : "";
const [state, shared, extra] = [path.join(folder, "state"), path.join(folder, "shared"), path.join(folder, "extra")];
const tokenFile = path.join(folder, "callers-token");
const containers: Container[] = [];
// Numbers from the range for tests of networks (RFC 2544), so that no address of anybody is hidden meanwhile.
const network = `198.18.${ownNumber}`;
const [hostAddress, address] = [`${network}.1`, `${network}.2`];

const inspection = `commands:
  root_folder: { run: [ls, /] }
  addresses: { run: [ip, -oneline, -4, address] }
  processes: { run: [ps, -eo, "pid=,ppid=,stat=,user=,args="] }
  leave_orphan: { run: [sh, -c, "sleep 0.2 >/dev/null 2>&1 & echo $!"] }
`;

function serverContainer(changes: Partial<ConstructorParameters<typeof Container>[0]> = {}): Container {
  const folders: Folder[] = [
    { from: state, to: "/var/lib/iscep" },
    { from: shared, to: "/run/iscep" },
    { from: extra, to: "/srv/extra", readOnly: true },
  ];
  return started({
    words: [...image.command, "/etc/iscep/iscep.yaml", "/srv/extra/inspection.yaml"],
    folders,
    ...changes,
  });
}

function started(options: ConstructorParameters<typeof Container>[0]): Container {
  const container = new Container(options);
  containers.push(container);
  return container;
}

/** Another container, with the socket's folder and the token as the compose file gives them to a caller. */
async function callerContainer(changes: Partial<ConstructorParameters<typeof Container>[0]> = {}): Promise<Container> {
  const container = started({
    user: caller,
    entrypoint: ["tini", "--"],
    words: ["sh", "-c", "echo ready; exec sleep infinity"],
    environment: { ISCEP_TOKEN_FILE: "/run/secrets/callers-token" },
    folders: [
      { from: shared, to: "/run/iscep", readOnly: true },
      { from: path.dirname(tokenFile), to: "/run/secrets", readOnly: true },
    ],
    ...changes,
  });
  await container.lines(1);
  return container;
}

const textOf = async (client: Client, command: string): Promise<string> =>
  ((await client.call(command)) as ScriptResult).stdout;

/** Parent and state of a process as the container counts, such as "1 Z"; undefined when there is no such process. */
async function stateOf(pid: string, client: Client): Promise<string | undefined> {
  const [, found] = new RegExp(`^ *${pid} +(\\d+ \\w)`, "m").exec(await textOf(client, "processes")) ?? [];
  return found;
}

describe.skipIf(reason !== undefined && process.env["CI"] === undefined)("a server in a container", () => {
  let server: Container;
  let pin = "";
  let token = "";
  let url = "";

  beforeAll(async () => {
    if (reason !== undefined) throw new Error(`.ci/run may not skip this: ${reason}`);
    for (const made of [state, shared, extra]) mkdirSync(made);
    writeFileSync(path.join(extra, "inspection.yaml"), inspection);
    // As docs/CONTAINERS.md has it for folders of the host.
    chownSync(state, image.user.uid, image.user.gid);
    chmodSync(state, 0o700);
    chownSync(shared, image.user.uid, callers);
    chmodSync(shared, 0o2750);

    const first = started({
      words: ["tokens", "add", "operator", "--json"],
      folders: [{ from: state, to: "/var/lib/iscep" }],
    });
    ({ token } = JSON.parse((await first.lines(1))[0] ?? "") as { token: string });
    await first.remove();
    writeFileSync(tokenFile, token);
    chownSync(tokenFile, caller.uid, caller.gid);
    chmodSync(tokenFile, 0o400);
    chmodSync(folder, 0o711);

    server = serverContainer();
    const [line = ""] = await server.lines(2);
    [, pin = ""] = /\?pin=(sha256:\S+)$/.exec(line) ?? [];
    const other = { name: `iscep${process.pid % 100_000}`, address: hostAddress };
    server.connectNetwork("eth0", address, other);
    url = `iscep://${address}:8989?pin=${pin}`;
  }, 30_000);

  afterAll(async () => {
    await Promise.all(containers.map((container) => container.remove()));
    if (folder !== "") rmSync(folder, { recursive: true, force: true });
  });

  test("sees its own files, network and processes, and is nobody who may do much", async () => {
    await using client = await connect(url, { token });
    const entries = (await textOf(client, "root_folder")).trim().split("\n");
    expect(entries).toEqual(expect.arrayContaining(["etc", "opt", "proc", "run", "srv", "tmp", "usr", "var"]));
    expect(entries.filter((entry) => ["root", "home", "boot", "work"].includes(entry))).toEqual([]);
    const addresses = [...(await textOf(client, "addresses")).matchAll(/inet ([\d.]+)/g)].map(([, found]) => found);
    expect(addresses.toSorted()).toEqual(["127.0.0.1", address]);
    const processes = (await textOf(client, "processes")).trim().split("\n");
    expect(processes[0]).toMatch(/^1 +0 \S+ +\S+ +tini -- iscep serve /);
    expect(processes.length).toBeLessThan(5);
    expect(processes.map((line) => line.trim().split(/\s+/)[3])).toEqual(processes.map(() => String(image.user.uid)));
  });

  describe("by TLS, at its address", () => {
    test("a caller outside with its token and pin gets its answer", async () => {
      const { code, stdout } = await iscep(["call", "disk_space"], {
        folder: temporaryFolder(),
        environment: { ISCEP_URL: url, ISCEP_TOKEN: token },
      });
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining("/var/lib/iscep") });
    });

    test("without a token, and with the pin of another key, nobody gets in", async () => {
      await using nobody = await connect(url);
      await expect(nobody.call("disk_space")).rejects.toMatchObject({ code: "unauthorized" });
      const otherPin = `sha256:${"A".repeat(43)}`;
      await expect(connect(url, { token, pin: otherPin })).rejects.toMatchObject({ code: "not_trusted" });
    });

    test("a port that is published on this machine's own address leads to it, under the same pin", async () => {
      // This forwards connections, as the engine of containers does.
      const publisher = createServer((outside) => {
        const inside = dial({ host: address, port: 8989 });
        for (const socket of [outside, inside])
          socket.on("error", () => [outside, inside].forEach((it) => it.destroy()));
        outside.pipe(inside).pipe(outside);
      });
      await new Promise<void>((resolve) => void publisher.listen(0, "127.0.0.1", resolve));
      const { port } = publisher.address() as AddressInfo;
      try {
        await using client = await connect(`iscep://127.0.0.1:${port}?pin=${pin}`, { token });
        expect(await textOf(client, "disk_space")).toContain("/var/lib/iscep");
      } finally {
        publisher.close();
      }
    });

    test("a container in the same network calls it by name, with nothing published", async () => {
      const other = await callerContainer({ hosts: `${network}.5 service` });
      server.connectNetwork("eth1", `${network}.5`, { name: "eth0", address: `${network}.6`, container: other });
      const answer = await other.run(["iscep", "call", "disk_space"], { ISCEP_URL: `iscep://service:8989?pin=${pin}` });
      expect(answer).toMatchObject({ code: 0, stdout: expect.stringContaining("/var/lib/iscep"), stderr: "" });
      // And has no other way in: the address that the host uses is not in its network.
      const elsewhere = await other.run(["iscep", "ping", "--timeout", "2s"], { ISCEP_URL: url });
      expect(elsewhere.code).toBe(69);
    });
  });

  describe("by its unix socket in a shared folder", () => {
    test("the socket belongs to the group of the folder, and is closed to others", () => {
      const { gid, uid, mode } = statSync(path.join(shared, "iscep.sock"));
      expect({ gid, uid, mode: mode & 0o777 }).toEqual({ gid: callers, uid: image.user.uid, mode: 0o660 });
    });

    test("the host calls it through the folder", async () => {
      const client = await connect(`iscep+unix://${path.join(shared, "iscep.sock")}`, { token });
      expect(await textOf(client, "disk_space")).toContain("/var/lib/iscep");
      await client.close();
    });

    test("a container without any network calls it, when its user is in the group, with its token from a file", async () => {
      const other = await callerContainer({ groups: [callers] });
      const answer = await other.run(["iscep", "call", "disk_space"], { ISCEP_URL: socketUrl });
      expect(answer).toMatchObject({ code: 0, stdout: expect.stringContaining("/var/lib/iscep"), stderr: "" });
      // The token counts here too.
      const nobody = await other.run(["iscep", "call", "disk_space"], { ISCEP_URL: socketUrl, ISCEP_TOKEN: "wrong" });
      expect(nobody.code).toBe(77);
    });

    test("a container whose user is not in the group is refused by the system, and told so", async () => {
      const other = await callerContainer();
      const answer = await other.run(["iscep", "call", "disk_space"], { ISCEP_URL: socketUrl });
      expect(answer).toMatchObject({ code: 69, stdout: "", stderr: expect.stringContaining("iscep.sock") });
    });

    test("a caller cannot put another socket in its place", async () => {
      const other = await callerContainer({ groups: [callers] });
      expect((await other.run(["rm", "-f", "/run/iscep/iscep.sock"])).code).not.toBe(0);
      const { code } = await other.run(["iscep", "serve", "--unix", "/run/iscep/other.sock", "/etc/iscep/iscep.yaml"]);
      expect(code).not.toBe(0);
    });
  });

  test("a token that is made inside counts at once, and one that is removed there does so no more", async () => {
    const made = await server.run(["iscep", "tokens", "add", "guest", "--run", "disk_*", "--json"]);
    expect(made).toMatchObject({ code: 0, stderr: "" });
    const { token: guest } = JSON.parse(made.stdout) as { token: string };
    await using client = await connect(url, { token: guest });
    expect(await textOf(client, "disk_space")).toContain("/var/lib/iscep");
    await expect(client.call("root_folder")).rejects.toMatchObject({ code: "command_not_found" });
    expect((await server.run(["iscep", "tokens", "remove", "guest"])).code).toBe(0);
    const refused = await client.call("disk_space").catch((error: unknown) => error);
    expect(isIscepError(refused) && refused.code).toBe("unauthorized");
  });

  test("what a script leaves behind when it ends is reaped by the image's init (PITFALLS D25)", async () => {
    await using client = await connect(url, { token });
    const orphan = (await textOf(client, "leave_orphan")).trim();
    await expect.poll(() => stateOf(orphan, client)).toBeUndefined();
  });

  test("it stops in good order within the time that docker gives, and the next one has its key and its tokens", async () => {
    expect(await server.stop()).toBe(0);
    server = serverContainer();
    expect((await server.lines(2))[0]).toContain(pin);
    const client = await connect(`iscep+unix://${path.join(shared, "iscep.sock")}`, { token });
    expect(await client.ping()).toBeGreaterThan(0);
    await client.close();
    expect(await server.stop()).toBe(0);
  });

  test("a user that is only a number is told to say where the key shall stay", async () => {
    const nobody = started({
      words: ["serve", "--port", "0", "/srv/extra/inspection.yaml"],
      user: { uid: 10_009, gid: 10_009 },
      environment: { ISCEP_STATE_DIR: "" },
      folders: [{ from: extra, to: "/srv/extra", readOnly: true }],
    });
    await expect(nobody.lines(1)).rejects.toThrow("set ISCEP_STATE_DIR to a folder that stays");
  });

  test("as process 1 it says that it needs an init: orphans stay as zombies (PITFALLS D25)", async () => {
    const bare = serverContainer({ entrypoint: ["iscep"] });
    await bare.lines(2);
    const client = await connect(`iscep+unix://${path.join(shared, "iscep.sock")}`, { token });
    const orphan = (await textOf(client, "leave_orphan")).trim();
    await expect.poll(() => stateOf(orphan, client)).toMatch(/^1 Z/);
    await client.close();
    expect(bare.stderr).toContain("warning: this is process 1 of a container");
    expect(bare.stderr).toContain("init: true");
    expect(server.stderr).not.toContain("process 1");
    expect(await bare.stop()).toBe(0);
  });
});
