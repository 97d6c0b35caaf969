/** Chromium, as Debian has it, for tests of the console. One process serves a test file; each test gets a context of its own. */
import { existsSync } from "node:fs";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";

const program = "/usr/bin/chromium";
const mayBeSkipped = process.env["CI"] === undefined;

/** True when tests that need Chromium are to be skipped. In CI it has to be there (.ci/programs). */
export const hasNoBrowser = !existsSync(program) && mayBeSkipped;
if (hasNoBrowser) console.warn(`skipped: tests in a browser, as there is no ${program}`);

export interface Browsing {
  /** A page without cookies. What it throws, and what its policy refuses, fails the test, unless it is allowed. */
  open(options?: BrowserContextOptions & { readonly allowed?: RegExp }): Promise<Page>;
}

export function useBrowser(): Browsing {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (hasNoBrowser) return;
    browser = await chromium.launch({
      executablePath: program,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-precise-memory-info",
        "--js-flags=--expose-gc",
      ],
    });
  });
  afterAll(async () => {
    await browser?.close();
  });
  return {
    async open({ allowed, ...options } = {}) {
      if (browser === undefined) throw new Error("the browser is not open");
      const context = await browser.newContext({
        ignoreHTTPSErrors: true,
        viewport: { width: 1280, height: 800 },
        locale: "en-GB",
        timezoneId: "Europe/Berlin",
        ...options,
      });
      context.setDefaultTimeout(20_000);
      const page = await context.newPage();
      const faults = faultsOf(page, context);
      onTestFinished(async () => {
        await context.close();
        expect(faults.filter((fault) => allowed?.test(fault) !== true)).toEqual([]);
      });
      return page;
    },
  };
}

function faultsOf(page: Page, context: BrowserContext): string[] {
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.stack ?? error.message));
  page.on("console", (message) => {
    // A refused request is what some tests are about; the browser tells it as an error, too.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      faults.push(message.text());
  });
  page.on("dialog", (dialog) => {
    faults.push(`a dialog of the browser: ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (hostname !== "127.0.0.1" && protocol.startsWith("http")) faults.push(`a request to ${request.url()}`);
  });
  return faults;
}

/** What axe-core finds wrong with the page, each with the element. */
export async function accessibilityFaults(page: Page, rules: "all" | "colours"): Promise<string[]> {
  // The policy of the page allows no scripts of others, but that of a debugger.
  if ((await page.evaluate("typeof axe")) === "undefined") await page.evaluate(`${axe.source}; undefined`);
  const only = rules === "all" ? "" : `, runOnly: ["color-contrast"]`;
  const found: unknown = await page.evaluate(
    `axe.run(document, { resultTypes: ["violations"]${only} }).then(({ violations }) =>
       violations.flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) => id + ": " + help + ": " + html.slice(0, 200) + " " + (failureSummary ?? "").slice(0, 300))))`,
  );
  return found as string[];
}
