/** Every view, in light and dark and on a phone, as axe-core and a screen reader find it. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessibilityFaults, hasNoBrowser, useBrowser } from "../support/browser.js";
import { openConsoleServer, type ConsoleServer } from "../support/console-server.js";

describe.skipIf(hasNoBrowser)("the views of the console", () => {
  const browser = useBrowser();
  let server: ConsoleServer;
  beforeAll(async () => {
    server = await openConsoleServer();
  });
  afterAll(() => server.remove());

  async function signedIn(page: Page): Promise<void> {
    await page.goto(`${server.origin}/console/`);
    await page.getByLabel("Token").fill(server.token);
    await page.getByLabel("Token").press("Enter");
    await page.getByRole("navigation").waitFor();
  }

  async function startRun(page: Page, command: string): Promise<string> {
    await page.goto(`${server.origin}/console/commands/${command}`);
    await page.getByRole("button", { name: /^Run/ }).click();
    await page.waitForURL(/\/runs\//);
    await page.locator(".heading .status:not(.is-running)").waitFor();
    return new URL(page.url()).pathname.split("/").at(-1) ?? "";
  }

  test("axe finds nothing in light and dark, wide and on a phone, and nothing is wider than the page", async () => {
    const page = await browser.open({ reducedMotion: "reduce" });
    const found: string[] = [];
    const look = async (view: string): Promise<void> => {
      // All rules twice, and those of colours in both themes of both widths.
      for (const [colorScheme, width, rules] of [
        ["light", 1280, "all"],
        ["dark", 1280, "colours"],
        ["dark", 390, "all"],
        ["light", 390, "colours"],
      ] as const) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        const place = `${view}, ${colorScheme}, ${width}`;
        for (const fault of await accessibilityFaults(page, rules)) found.push(`${place}: ${fault}`);
        const overflow: unknown = await page.evaluate(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        if (Number(overflow) > 0) found.push(`${place}: ${String(overflow)} pixels too wide`);
      }
    };
    await page.goto(`${server.origin}/console/`);
    await page.getByLabel("Token").waitFor();
    await look("sign in");
    await signedIn(page);
    await startRun(page, "hostile");
    await look("run");
    await startRun(page, "fails");
    await look("failed run");
    await page.getByLabel("Search in output").fill("luck");
    await page.getByLabel("Search in output").press("Enter");
    await page.locator(".is-hit").waitFor();
    await look("search");
    for (const [view, path, ready] of [
      ["commands", "/console/", ".command"],
      ["form", "/console/commands/every_type", ".field"],
      ["runs", "/console/runs", ".run-command"],
      ["no runs", "/console/runs?status=lost", ".blank"],
      ["activity", "/console/activity", ".chart rect"],
      ["schedules", "/console/schedules", ".schedule-words"],
      ["access", "/console/access", ".rights li"],
      ["missing", "/console/what/is/this", ".blank"],
      ["missing run", "/console/runs/01900000-0000-7000-8000-000000000000", ".note"],
    ] as const) {
      await page.goto(server.origin + path);
      await page.locator(ready).first().waitFor();
      await look(view);
    }
    await page.goto(`${server.origin}/console/commands/every_type`);
    await page.getByRole("button", { name: "Run" }).click();
    await page.locator(".field-fault").first().waitFor();
    await page.getByRole("button", { name: "Add one" }).click();
    await look("form with faults");
    await page.goto(`${server.origin}/console/commands/wipe`);
    await page.getByRole("button", { name: "Run…" }).click();
    await page.getByRole("dialog").waitFor();
    await look("dialog");
    expect(found).toEqual([]);
  }, 240_000);

  test("a screen reader is told what comes and how it ends, and not each line", async () => {
    const page = await browser.open();
    await signedIn(page);
    await page.evaluate(`{
      window.said = [];
      const region = document.querySelector("[aria-live=polite]");
      new MutationObserver(() => window.said.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
    }`);
    await page.getByRole("link", { name: /^steps/ }).click();
    await page.locator(".field input").fill("told-go");
    await page.getByRole("button", { name: "Run" }).click();
    await expect.poll(() => page.evaluate("window.said.join()")).toMatch(/new lines?\. trouble/);
    server.touch("told-go");
    await expect.poll(() => page.evaluate("window.said")).toContain("Completed.");
    const said = (await page.evaluate("window.said")) as string[];
    expect(said.length).toBeLessThan(6);
    expect(await page.locator(".output-box").getAttribute("aria-live")).toBeNull();
  });

  test("the focus is always seen, and reduced motion is respected", async () => {
    const page = await browser.open({ reducedMotion: "reduce" });
    await signedIn(page);
    for (let step = 0; step < 14; step++) {
      await page.keyboard.press("Tab");
      const seen: unknown = await page.evaluate(`(() => {
        const element = document.activeElement;
        if (element === document.body) return true;
        const label = element.closest("label");
        return [element, label, label?.querySelector("span")].some((each) => each && getComputedStyle(each).outlineStyle !== "none");
      })()`);
      expect(seen, `step ${step}`).toBe(true);
    }
    expect(await page.evaluate("document.getAnimations().length")).toBe(0);
  });

  test("the theme that was chosen stays", async () => {
    const page = await browser.open({ colorScheme: "light" });
    await signedIn(page);
    const ground = (): Promise<unknown> => page.evaluate("getComputedStyle(document.documentElement).backgroundColor");
    const light = await ground();
    await page.locator(".themes").getByText("dark").click({ force: true });
    await expect.poll(ground).not.toBe(light);
    const dark = await ground();
    await page.reload();
    await page.getByRole("navigation").waitFor();
    await expect.poll(ground).toBe(dark);
  });
});
