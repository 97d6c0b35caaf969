/** What people do in the console, by clicks and by keys, in a real browser with a real server and real scripts. */
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { hasNoBrowser, useBrowser } from "../support/browser.js";
import { openConsoleServer, type ConsoleServer } from "../support/console-server.js";

describe.skipIf(hasNoBrowser)("the console", () => {
  const browser = useBrowser();
  let server: ConsoleServer;
  beforeAll(async () => {
    server = await openConsoleServer();
  });
  afterAll(() => server.remove());

  async function signedIn(path = "/console/", token = server.token): Promise<Page> {
    const page = await browser.open();
    await page.goto(server.origin + path);
    await page.getByLabel("Token").fill(token);
    await page.getByLabel("Token").press("Enter");
    await page.getByRole("navigation").waitFor();
    return page;
  }

  /** The run of the page has ended so. Lists of runs and announcements say the same words. */
  const ended = (page: Page, status: string): Promise<void> =>
    page.locator(".heading .status", { hasText: status }).waitFor();
  /** The control of an argument. The words "optional" may stand beside its name. */
  const argument = (page: Page, name: string): Locator =>
    page
      .locator(".field", { has: page.locator(".field-name", { hasText: new RegExp(`^${name}$`) }) })
      .locator("input, select, textarea");
  const outputOf = (page: Page): Promise<string> => page.locator(".output-rows").innerText();
  const linesOf = async (page: Page): Promise<string[]> =>
    (await outputOf(page))
      .split("\n")
      .map((line) => line.trim())
      .filter(Boolean);

  test("a browser is led from / to the console, and a page that was asked for comes after the sign-in", async () => {
    const page = await browser.open();
    await page.goto(`${server.origin}/`);
    expect(page.url()).toBe(`${server.origin}/console/`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.goto(`${server.origin}/console/commands/hello`);
    await page.getByLabel("Token").fill(`iscep://ada:${server.token}@127.0.0.1:8989?pin=sha256:x`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "hello" }).waitFor();
  });

  test("a command is found, its form filled in, and its output comes while it runs", async () => {
    const page = await signedIn();
    await page.getByLabel("Search commands").fill("tell how far");
    await page.getByText("1 hit").waitFor();
    await page.getByRole("link", { name: /^steps/ }).click();
    await page.getByLabel("file").fill("live-go");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("green one").waitFor();
    await expect.poll(() => page.locator(".line", { hasText: "green" }).locator(".t-fg2").innerText()).toBe("green");
    await expect.poll(() => page.locator(".t-err").innerText()).toBe("trouble");
    await page.getByText("packing").waitFor();
    await expect.poll(() => page.getByRole("progressbar").getAttribute("value")).toBe("25");
    await page.getByRole("complementary").getByRole("link", { name: /steps/ }).waitFor();
    server.touch("live-go");
    await ended(page, "Completed");
    await expect.poll(() => linesOf(page)).toEqual(["green one", "trouble", "100%", "last"]);
    await expect.poll(() => page.title()).toBe("Completed: steps · iscep");
  });

  test("by keys alone: find, fill in, run, and come back", async () => {
    const page = await signedIn();
    await page.getByRole("link", { name: "Greet someone" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("greet");
    await page.getByText("1 hit").waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "hello" }).waitFor();
    await expect.poll(() => page.evaluate("document.activeElement.tagName")).toBe("H1");
    await page.keyboard.press("Tab");
    await expect.poll(() => page.evaluate("document.activeElement.value")).toBe("world");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("Ada");
    await page.keyboard.press("Control+Enter");
    await page.getByText("hello, Ada").waitFor();
    await ended(page, "Completed");
    await page.keyboard.press("g");
    await page.keyboard.press("r");
    await page.getByRole("heading", { name: "Runs" }).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("g");
    await page.keyboard.press("c");
    await page.getByRole("heading", { name: "Commands" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    await expect.poll(() => page.evaluate("document.activeElement.className")).toBe("command");
  });

  test("every type has its control; what is wrong is told at the field; the arguments arrive", async () => {
    const page = await signedIn("/console/commands/every_type");
    await page.getByRole("button", { name: "Run" }).click();
    await expect
      .poll(() => page.locator(".field-fault").allInnerTexts())
      .toEqual(["is missing", "is missing", "is missing"]);
    await expect.poll(() => page.evaluate("document.activeElement.closest('.field').innerText")).toContain("word");
    await argument(page, "word").fill("a1");
    await argument(page, "whole").fill("12");
    await argument(page, "many").selectOption("three");
    await page.getByRole("button", { name: "Run" }).click();
    await expect
      .poll(() => page.locator(".field-fault").allInnerTexts())
      .toEqual(["expected text that matches ^(?:[a-z]+)$", "expected a number <= 9"]);
    await argument(page, "word").fill("ada");
    await argument(page, "whole").fill("4");
    await page.getByRole("radiogroup", { name: /loud/ }).getByText("Yes").click();
    await page.getByRole("radiogroup", { name: /mode/ }).getByText("full").click();
    await argument(page, "note").fill("two\nlines");
    await page.getByRole("button", { name: "Add one" }).click();
    await page.getByLabel("list 1").fill("1");
    await page.getByRole("button", { name: "Add another" }).click();
    await page.getByLabel("list 2").fill("2");
    await argument(page, "password").fill("geheim");
    // Only the server knows what a date is.
    await argument(page, "day").fill("tomorrow");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("expected text in the format date").waitFor();
    await argument(page, "day").fill("2026-11-28");
    await page.getByRole("button", { name: "Run" }).click();
    await ended(page, "Completed");
    for (const text of ["<ada>", "<4>", "<true>", "<full>", "<three>", "<2026-11-28>", "<two", "lines>", "<1>", "<2>"])
      await expect.poll(() => outputOf(page)).toContain(text);
    expect(await page.locator("main").innerText()).not.toContain("geheim");
    await page.getByRole("link", { name: "Edit and run again" }).click();
    await page.getByText("Secrets are not kept").waitFor();
    await expect.poll(() => argument(page, "word").inputValue()).toBe("ada");
    await expect.poll(() => page.getByLabel("list 2").inputValue()).toBe("2");
    await expect.poll(() => argument(page, "password").inputValue()).toBe("");
    // Another browser has them from the server, which keeps them for this command.
    const other = await signedIn(new URL(page.url()).pathname + new URL(page.url()).search);
    await other.getByText("Secrets are not kept").waitFor();
    await expect.poll(() => argument(other, "word").inputValue()).toBe("ada");
    await expect.poll(() => argument(other, "whole").inputValue()).toBe("4");
  });

  test("arguments can be written as JSON, and come back into the form", async () => {
    const page = await signedIn("/console/commands/hello");
    await page.getByRole("button", { name: "Write JSON" }).click();
    const field = page.getByLabel("Arguments as JSON");
    await field.fill('{"name": ');
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("This is no JSON yet").waitFor();
    await field.fill('{"name": "JSON", "nmae": 1}');
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText(/there is no argument/).waitFor();
    await field.fill('{"name": "JSON"}');
    await page.getByRole("button", { name: "Back to the form" }).click();
    await expect.poll(() => page.getByLabel("name").inputValue()).toBe("JSON");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("hello, JSON").waitFor();
  });

  test("a text or a file becomes standard input", async () => {
    const page = await signedIn("/console/commands/reads");
    const input = page.getByRole("radiogroup", { name: "Standard input" });
    await input.getByText("Text").click();
    await page.getByLabel("Text for standard input").fill("typed here");
    await page.getByRole("button", { name: "Run" }).click();
    await ended(page, "Completed");
    await expect.poll(() => outputOf(page)).toMatch(/label\s+typed here/);
    await page.goto(`${server.origin}/console/commands/reads`);
    await input.getByText("A file").click();
    const bytes = Buffer.from("from a file\n".repeat(100_000));
    await page
      .getByLabel("File for standard input")
      .setInputFiles({ name: "dump.sql", mimeType: "text/plain", buffer: bytes });
    await page.getByRole("button", { name: "Run" }).click();
    await ended(page, "Completed");
    await page.getByText("1.1 MiB").waitFor();
    await expect.poll(() => page.getByRole("region", { name: "Output, 100,001 lines" }).count()).toBe(1);
  });

  test("a command that asks first runs only after a yes", async () => {
    const page = await signedIn("/console/commands/wipe");
    await page.getByRole("button", { name: "Run…" }).click();
    const dialog = page.getByRole("dialog", { name: "Run wipe?" });
    await dialog.waitFor();
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    await expect
      .poll(() => page.evaluate("document.activeElement.tagName + ' ' + document.activeElement.textContent"))
      .toMatch(/^BUTTON Run…/);
    await page.keyboard.press("Enter");
    await dialog.getByRole("button", { name: "Yes, run it" }).click();
    await page.getByText("wiped").waitFor();
  });

  test("a failure says what happened and what to do; cancel stops a run; several go on at once", async () => {
    const page = await signedIn("/console/commands/fails");
    await page.getByRole("button", { name: "Run" }).click();
    await ended(page, "Failed");
    await page.getByText("exit code 3").first().waitFor();
    for (const name of ["queue-a", "queue-b"]) {
      await page.goto(`${server.origin}/console/commands/one_at_a_time`);
      await page.getByLabel("file").fill(name);
      await page.getByRole("button", { name: "Run" }).click();
      await page.getByRole("button", { name: "Cancel" }).waitFor();
    }
    await page.getByText("Waiting, place 1").waitFor();
    await expect.poll(() => page.locator(".running li").count()).toBe(2);
    await page.getByRole("button", { name: "Cancel" }).click();
    await ended(page, "Cancelled");
    server.touch("queue-a");
    await expect.poll(() => page.locator(".running li").count()).toBe(0);
  });

  test("a reload, a crash of the connection and a restart of the server lose no byte and double none", async () => {
    const page = await signedIn("/console/commands/steps");
    await page.getByLabel("file").fill("resume-go");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("trouble").waitFor();
    await page.reload();
    await page.getByText("trouble").waitFor();
    await page.context().setOffline(true);
    await page.context().setOffline(false);
    server.touch("resume-go");
    await ended(page, "Completed");
    await expect.poll(() => linesOf(page)).toEqual(["green one", "trouble", "100%", "last"]);
  });

  test("what ran stands in the history, with filters, pages and a link to each line", async () => {
    const page = await signedIn("/console/commands/lines");
    await page.getByLabel("count").fill("5000");
    await page.getByRole("button", { name: "Run" }).click();
    await ended(page, "Completed");
    await page.getByText("5000 of output").waitFor();
    await page.getByLabel("Search in output").fill("1234 OF");
    await page.keyboard.press("Enter");
    await page.getByText("1 of 1").waitFor();
    await expect.poll(() => page.locator(".line.is-hit mark").innerText()).toBe("1234 of");
    await page.getByRole("link", { name: "Link to line 1234" }).click();
    expect(new URL(page.url()).hash).toBe("#L1234");
    await page.getByRole("link", { name: "Link to line 1236" }).click({ modifiers: ["Shift"] });
    expect(new URL(page.url()).hash).toBe("#L1234-L1236");
    await page.reload();
    await page.getByText("1234 of output").waitFor();
    await expect.poll(() => page.locator(".line.is-marked").count()).toBe(3);
    const address = page.url();
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await page.getByLabel("Command").selectOption("lines");
    await page.getByLabel("Status").selectOption("failed");
    await page.getByText("No run matches these filters").waitFor();
    await page.getByLabel("Status").selectOption("completed");
    await page.getByRole("link", { name: "lines" }).first().click();
    await page.getByRole("heading", { name: "lines" }).waitFor();
    await page.goto(address);
    await page.getByText("1234 of output").waitFor();
  });

  test("a server that is gone is told, and so is that it is back, with what became of the run", async () => {
    const own = await openConsoleServer();
    onTestFinished(() => own.remove());
    const page = await browser.open();
    await page.goto(`${own.origin}/console/commands/steps`);
    await page.getByLabel("Token").fill(own.token);
    await page.keyboard.press("Enter");
    await page.getByLabel("file").fill("never");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("trouble").waitFor();
    await own.stop();
    await page.getByText("The server does not answer").waitFor();
    await page.getByText(/The connection broke. It goes on at byte/).waitFor();
    await expect.poll(() => outputOf(page)).toContain("trouble");
    await own.start();
    // The sessions of browsers went with the server.
    await page.getByText("Your sign-in has ended").waitFor();
    await page.getByLabel("Token").fill(own.token);
    await page.keyboard.press("Enter");
    // What a killed server had not yet written of the output is gone.
    await ended(page, "Lost");
    await expect.poll(() => page.getByText(/nobody knows/i).count()).toBeGreaterThan(0);
  });

  test("the view follows the output until somebody scrolls up, and again when they want; lines are copied as they are", async () => {
    const page = await signedIn("/console/commands/grows");
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByLabel("file").fill("grow-go");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("line 200", { exact: true }).waitFor();
    const box = page.locator(".output-box");
    expect(await page.getByRole("button", { name: "Follow" }).count()).toBe(0);
    await box.hover();
    await page.mouse.wheel(0, -1_500);
    await page.getByRole("button", { name: "Follow" }).waitFor();
    const place = (): Promise<unknown> =>
      box.evaluate((element) => (element as unknown as { scrollTop: number }).scrollTop);
    // The browser may still be scrolling.
    const isMoving = `new Promise((resolve) => {
      const box = document.querySelector(".output-box"), before = box.scrollTop;
      let frames = 0;
      const look = () => (++frames < 5 ? requestAnimationFrame(look) : resolve(box.scrollTop !== before));
      look();
    })`;
    await expect.poll(() => page.evaluate(isMoving)).toBe(false);
    const before = await place();
    server.touch("grow-go");
    await page.getByRole("region", { name: "Output, 300 lines" }).waitFor();
    expect(await place()).toBe(before);
    await page.getByRole("button", { name: "Follow" }).click();
    server.touch("grow-go-on");
    await page.getByText("line 400", { exact: true }).waitFor();
    await ended(page, "Completed");
    await page.keyboard.press("Home");
    await page.goto(`${page.url()}#L2-L3`);
    await page.getByRole("button", { name: "Copy" }).click();
    await page.getByText("Copied", { exact: true }).first().waitFor();
    await expect.poll(() => page.evaluate("navigator.clipboard.readText()")).toBe("line 2\nline 3\n");
  });

  test("schedules are told in words, with their next time", async () => {
    const page = await signedIn("/console/schedules");
    await page.getByText("At 03:30 from Monday to Friday").waitFor();
    await page.getByText("Europe/Berlin").waitFor();
    await expect.poll(() => page.locator(".schedule-times").innerText()).toMatch(/Next\s+(?:now|in \d+ (?:h|d|min|s))/);
  });

  test("activity shows what ran, by command", async () => {
    const page = await signedIn("/console/commands/hello");
    await page.getByRole("button", { name: "Run" }).click();
    await ended(page, "Completed");
    await page.getByRole("link", { name: "Activity" }).click();
    await page.getByRole("row", { name: /^hello/ }).waitFor();
    await expect.poll(() => page.locator(".chart rect, .chart circle").count()).toBeGreaterThan(1);
  });
});
