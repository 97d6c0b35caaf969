import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, fstatSync } from "node:fs";
import { expect, test } from "vitest";
import { openDescriptor } from "#iscep/runs/script/descriptors";
import { later } from "../support/cleanup.js";

test.skipIf(process.platform === "win32")(
  "a program reads the bytes by number, and by path as often as it likes",
  () => {
    const bytes = Buffer.from([0, 1, 2, 10, 13, 255]);
    const descriptor = openDescriptor(bytes);
    later(() => closeSync(descriptor));
    const { stdout } = spawnSync("sh", ["-c", "cat /dev/fd/3; cat <&3; cat /dev/fd/3"], {
      stdio: ["ignore", "pipe", "inherit", descriptor],
    });
    expect(stdout).toEqual(Buffer.concat([bytes, bytes, bytes]));
  },
);

test.skipIf(process.platform === "win32")("there is no file of that content that others could open", () => {
  const descriptor = openDescriptor(Buffer.from("secret"));
  later(() => closeSync(descriptor));
  expect(fstatSync(descriptor)).toMatchObject({ nlink: 0 });
  expect(fstatSync(descriptor).mode & 0o777).toBe(0o400);
});

test.skipIf(process.getuid?.() !== 0)(
  "a program of another user opens it by path, when it was made for that user",
  () => {
    const nobody = { uid: 65_534, gid: 65_534 };
    const read = (descriptor: number): Buffer =>
      execFileSync("cat", ["/dev/fd/3"], { ...nobody, stdio: ["ignore", "pipe", "ignore", descriptor] });
    const theirs = openDescriptor(Buffer.from("secret"), nobody);
    const ours = openDescriptor(Buffer.from("secret"));
    later(() => closeSync(theirs));
    later(() => closeSync(ours));
    expect(read(theirs).toString()).toBe("secret");
    expect(() => read(ours)).toThrow("Command failed");
  },
);
