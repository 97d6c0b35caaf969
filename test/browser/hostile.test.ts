/** Output, names and descriptions that would like to be more than text (PITFALLS C17, E26). */
import { request } from "node:https";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasNoBrowser, useBrowser } from "../support/browser.js";
import { hostileMarkup, openConsoleServer, type ConsoleServer } from "../support/console-server.js";

let server: ConsoleServer;
beforeAll(async () => {
  server = await openConsoleServer();
});
afterAll(() => server.remove());

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

function get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(server.origin + path, { headers, rejectUnauthorized: false, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    sent.on("error", reject).end();
  });
}

describe("the files of the console", () => {
  test("have a policy without exceptions, and cannot stand in a frame", async () => {
    const { status, headers, body } = await get("/console/");
    expect(status).toBe(200);
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|https?:|\*|data:/);
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-cache",
    });
    expect(body).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=|https?:\/\//);
  });

  test("are kept for ever when their name has their hash, and asked for again by their tag otherwise", async () => {
    const { body, headers } = await get("/console/");
    const [, script = ""] = /src="([^"]+\.js)"/.exec(body) ?? [];
    const asset = await get(script, { "accept-encoding": "gzip" });
    expect(asset.headers).toMatchObject({
      "cache-control": "public, max-age=31536000, immutable",
      "content-encoding": "gzip",
      "content-type": "text/javascript; charset=utf-8",
    });
    expect((await get("/console/", { "if-none-match": String(headers["etag"]) })).status).toBe(304);
    expect((await get("/console/runs/1#L2")).body).toBe(body);
    expect((await get("/console/assets/gone.js")).status).toBe(404);
    for (const path of [
      "/console/../package.json",
      "/console/%2e%2e/package.json",
      "/console/..%2fpackage.json",
      "/console/assets/..%2f..%2f..%2fpackage.json",
    ]) {
      expect((await get(path)).body, path).not.toContain('"devDependencies"');
    }
  });

  test("are offered at / to browsers only", async () => {
    const page = await get("/", { accept: "text/html,application/xhtml+xml" });
    expect([page.status, page.headers["location"]]).toEqual([302, "/console/"]);
    expect((await get("/", { accept: "application/json" })).status).not.toBe(302);
  });
});

describe.skipIf(hasNoBrowser)("in a browser, hostile text", () => {
  const browser = useBrowser();

  async function signedIn(path: string, allowed?: RegExp): Promise<Page> {
    const page = await browser.open(allowed === undefined ? {} : { allowed });
    await page.goto(server.origin + path);
    await page.getByLabel("Token").fill(server.token);
    await page.getByLabel("Token").press("Enter");
    await page.getByRole("navigation").waitFor();
    return page;
  }

  const added = (page: Page): Promise<unknown> =>
    page.evaluate(
      "document.querySelectorAll('img, script:not([src]), iframe, style, [onerror], [style*=url]').length + (document.title.includes('owned') ? 1 : 0)",
    );
  const turning = /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/;

  test("of descriptions is shown as text, with what turns it made visible", async () => {
    const page = await signedIn("/console/");
    const row = page.getByRole("link", { name: /^hostile/ });
    await row.waitFor();
    expect(await row.innerText()).toContain(String.raw`</script>\u202egnp.exe\u2066`);
    await row.click();
    await page.locator(".lead").waitFor();
    for (const place of [".lead", ".field-note"])
      expect(await page.locator(place).first().innerText()).toContain(hostileMarkup);
    expect(await page.evaluate("document.body.innerText")).not.toMatch(turning);
    expect(await added(page)).toBe(0);
  });

  test("of output, with escapes, changes nothing but what it may", async () => {
    const page = await signedIn("/console/commands/hostile");
    await page.getByLabel("name").fill(`${hostileMarkup}\u202e`);
    await page.getByRole("button", { name: "Run" }).click();
    await page.locator(".heading .status.is-completed").waitFor();
    const shown = await page.locator(".output-rows").innerText();
    expect(shown).toContain(String.raw`hidden\x1bZend`);
    await expect.poll(() => page.locator(".arguments").innerText()).toContain(hostileMarkup);
    expect(await page.evaluate("document.body.innerText")).not.toMatch(turning);
    await page.getByLabel("Search in output").fill("<script>");
    await page.goto(`${server.origin}/console/runs?command=${encodeURIComponent(hostileMarkup)}`);
    await page.getByText("No run matches these filters").waitFor();
    await page.goto(`${server.origin}/console/runs/${encodeURIComponent(hostileMarkup)}#L1"><img src=x>`);
    await page.getByRole("alert").waitFor();
    await page.goto(`${server.origin}/console/commands/${encodeURIComponent("javascript:alert(1)")}`);
    await page.getByText("There is no such command").waitFor();
    expect(await added(page)).toBe(0);
  });

  test("cannot make the page run anything: the policy refuses what would", async () => {
    // The browser tells what it refused.
    const page = await signedIn("/console/", /^This document requires 'Trusted/);
    const refused = await page.evaluate(`(() => {
      const words = [];
      for (const [name, attempt] of [
                ["innerHTML", () => { document.createElement("div").innerHTML = "<b>x</b>"; }],
        ["script", () => { document.createElement("script").text = "1"; }],
      ]) { try { attempt(); words.push(name); } catch { /* refused */ } }
      return words;
    })()`);
    expect(refused).toEqual([]);
  });
});
