import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { connect, Server } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { originalTasks } from "../support/commands.js";
import { startServer } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

function isForEverybody(file: string): boolean {
  const folders = file.split(path.sep).map((_, depth, parts) => parts.slice(0, depth + 1).join(path.sep) || path.sep);
  return folders.every((place) => (statSync(place).mode & 0o001) !== 0);
}

describe("a unix socket", () => {
  test("is there for owner and group only, serves, and goes with its server", async () => {
    const file = path.join(temporaryFolder(), "service.sock");
    const server = await startServer({ unix: file });
    expect(statSync(file).mode & 0o777).toBe(0o660);
    expect(server.url).toBe(`iscep+unix://${file}`);
    const client = await server.client();
    expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
    await expect(client.call("noargs", {}, { token: null })).rejects.toMatchObject({ code: "unauthorized" });
    await client.close();
    const logged = await server.logged();
    expect(logged).toContain('"source":"unix"');
    expect(existsSync(file)).toBe(false);
  });

  // Only the administrator may give a folder to any group.
  test.skipIf(process.getuid?.() !== 0)("in a folder with the setgid bit belongs to the folder's group", async () => {
    const folder = temporaryFolder();
    const group = 54_321;
    chownSync(folder, 0, group);
    chmodSync(folder, 0o2770);
    const file = path.join(folder, "service.sock");
    const server = await startServer({ unix: file });
    expect(statSync(file)).toMatchObject({ gid: group });
    expect(statSync(file).mode & 0o777).toBe(0o660);
    // Another user, who shares nothing with the server but the group.
    const program = `require("node:net").connect(${JSON.stringify(file)}, () => process.exit(0)).on("error", () => process.exit(1))`;
    const codes = [];
    // Node itself may lie where no other user gets at it; then only the mode can be looked at.
    for (const gid of isForEverybody(process.execPath) ? [group, group + 1] : []) {
      const child = spawn(process.execPath, ["--eval", program], { stdio: "ignore", uid: 54_321, gid });
      codes.push((await once(child, "exit"))[0]);
    }
    expect(codes).toEqual(isForEverybody(process.execPath) ? [0, 1] : []);
    await server.server.close();
  });

  test("that a killed server left behind is taken over", async () => {
    const file = path.join(temporaryFolder(), "stale.sock");
    const program = `require("node:net").createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, "SIGKILL"))`;
    const child = spawn(process.execPath, ["--eval", program], { stdio: "ignore" });
    await once(child, "exit");
    expect(statSync(file).isSocket()).toBe(true);
    const server = await startServer({ unix: file });
    expect(await (await server.client()).echo("taken over")).toBe("taken over");
  });

  test("that another server listens on is refused, and left to it", async () => {
    const file = path.join(temporaryFolder(), "used.sock");
    const first = await startServer({ unix: file });
    const second = new Server({ unix: file });
    await expect(second.listen()).rejects.toMatchObject({
      code: "listen_failed",
      message: expect.stringContaining("another server"),
    });
    await second.close();
    expect(await (await first.client()).echo("first")).toBe("first");
  });

  test("never takes the place of a file", async () => {
    const file = path.join(temporaryFolder(), "data.txt");
    writeFileSync(file, "precious");
    const server = new Server({ unix: file, commands: originalTasks });
    await expect(server.listen()).rejects.toMatchObject({
      code: "listen_failed",
      message: expect.stringContaining(file),
    });
    await server.close();
    expect(readFileSync(file, "utf8")).toBe("precious");
  });

  test("in a folder that does not exist, and a socket that nobody serves, say so", async () => {
    const file = path.join(temporaryFolder(), "missing", "service.sock");
    await expect(new Server({ unix: file }).listen()).rejects.toMatchObject({ code: "listen_failed" });
    await expect(connect(`iscep+unix://${file}`)).rejects.toMatchObject({ code: "connect_failed" });
  });

  test("without tokens serves whoever may open it", async () => {
    const file = path.join(temporaryFolder(), "open.sock");
    const server = await startServer({ unix: file, tokens: false });
    const client = await connect(server.url);
    later(() => client.close());
    expect(await client.call("noargs", {})).toBe("ok");
  });

  test("a path that the system would cut in silence is refused, and nothing is left behind", async () => {
    const folder = temporaryFolder();
    const unix = path.join(folder, "x".repeat(200));
    const server = new Server({ unix });
    await expect(server.listen()).rejects.toMatchObject({ code: "listen_failed" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("in a folder that does not exist, the reason says so", async () => {
    const server = new Server({ unix: path.join(temporaryFolder(), "missing", "s.sock") });
    await expect(server.listen()).rejects.toMatchObject({
      message: expect.stringContaining("folder does not exist") as unknown,
    });
  });
});
