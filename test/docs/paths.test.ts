import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

const documents = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], {
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "" && existsSync(file));

/** Paths of the repository that a text names: `src/a/b.ts`, examples/world/, docs/X.md. */
function pathsIn(text: string): string[] {
  const named = text.matchAll(/(?<![\w/.-])(?:src|test|examples|docs|scripts|bench|console)\/[\w./-]*\w\/?/g);
  return [...new Set([...named].map(([found]) => found))];
}

/** Where links lead, without those to other places. */
function linksIn(text: string): string[] {
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return links.filter((target) => !/^[a-z]+:/.test(target));
}

function anchorsOf(file: string): string[] {
  const headings = [...readFileSync(file, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );
}

describe.each(documents)("%s", (document) => {
  const text = readFileSync(document, "utf8");

  test("names only files that exist", () => {
    expect(pathsIn(text).filter((named) => !named.includes("<") && !existsSync(named))).toEqual([]);
  });

  test("links only to what exists", () => {
    const broken = linksIn(text).filter((target) => {
      const [file = "", anchor] = target.split("#");
      const linked = file === "" ? document : path.join(path.dirname(document), file);
      if (!existsSync(linked)) return true;
      return anchor !== undefined && !anchorsOf(linked).includes(anchor);
    });
    expect(broken).toEqual([]);
  });
});

test("ARCHITECTURE.md names functions and classes that its files have", () => {
  const text = readFileSync("docs/ARCHITECTURE.md", "utf8");
  const ways = [...text.matchAll(/^## The way of .*\n([\s\S]*?)(?=^## )/gm)].map(([, section = ""]) => section);
  expect(ways.length).toBe(5);
  const way = ways.join("");
  const sources = pathsIn(way).map((file) => readFileSync(file, "utf8"));
  expect(sources.length).toBeGreaterThan(10);
  const names = [...way.matchAll(/`(#?[A-Za-z]\w*(?:\.[a-z]\w*)?)`/g)].flatMap(([, name = ""]) => name.split("."));
  const unknown = names.filter((name) => !sources.some((source) => new RegExp(`(?<!\\w)${name}\\b`).test(source)));
  expect(unknown).toEqual([]);
});

test("ARCHITECTURE.md shows every part of src/", () => {
  const house = /## The house\n\n([\s\S]*?)\n\n/.exec(readFileSync("docs/ARCHITECTURE.md", "utf8"))?.[1] ?? "";
  const shown = [...house.matchAll(/^ {6}(\S+)/gm)].map(([, part = ""]) => part.replace(/\/$/, ""));
  const parts = execFileSync("git", ["ls-files", "src"], { encoding: "utf8" })
    .split("\n")
    .filter(Boolean)
    .map((file) => file.split("/")[1]);
  expect(shown.toSorted()).toEqual([...new Set(parts)].toSorted());
});
