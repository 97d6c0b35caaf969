/** Typing to commands that run, on a terminal and without one, in a real browser with real programs. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessibilityFaults, hasNoBrowser, useBrowser } from "../support/browser.js";
import { openConsoleServer, type ConsoleServer } from "../support/console-server.js";

describe.skipIf(hasNoBrowser)("somebody who types in the console", () => {
  const browser = useBrowser();
  let server: ConsoleServer;
  beforeAll(async () => {
    server = await openConsoleServer();
  });
  afterAll(() => server.remove());

  async function form(command: string, options: Parameters<typeof browser.open>[0] = {}): Promise<Page> {
    const page = await browser.open(options);
    await page.goto(`${server.origin}/console/commands/${command}`);
    await page.getByLabel("Token").fill(server.token);
    await page.getByLabel("Token").press("Enter");
    await page.getByRole("heading", { name: command }).waitFor();
    return page;
  }

  async function started(command: string, options?: Parameters<typeof browser.open>[0]): Promise<Page> {
    const page = await form(command, options);
    if (command === "asks") await page.locator(".field input").fill("asks-go");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.waitForURL(/\/runs\//);
    return page;
  }

  const shown = (page: Page, text: RegExp | string): Promise<void> =>
    page.locator(".line", { hasText: text }).first().waitFor();
  const ended = (page: Page, status: string): Promise<void> =>
    page.locator(".heading .status", { hasText: status }).waitFor();
  const focused = (page: Page): Promise<unknown> =>
    page.evaluate("document.activeElement.className + ' ' + document.activeElement.textContent");
  const outputOf = async (page: Page): Promise<string[]> =>
    (await page.locator(".line-text").allInnerTexts()).map((text) => text.trimEnd()).filter((text) => text !== "");

  test("a prompt on a terminal is answered, also after a reload, and the field goes with the run", async () => {
    const page = await started("asks");
    await shown(page, "name?");
    await page.keyboard.type("Ad");
    await shown(page, "name? Ad");
    const asked: string[] = [];
    page.on("request", (request) => void asked.push(new URL(request.url()).pathname));
    await page.reload();
    await shown(page, "name? Ad");
    // Events keep their connection, and a page that has got only one more needs the run and its command first.
    const runsAndCommands = asked.filter((path) => /^\/runs\/[^/]+|^\/commands$/.test(path));
    expect(runsAndCommands.slice(0, 3)).toEqual([
      expect.stringMatching(/^\/runs\/[^/]+$/),
      "/commands",
      expect.stringMatching(/\/events$/),
    ]);
    // Where it was reloaded, nothing has the focus. A click into the terminal gives it.
    await page.locator(".output-box").click();
    await page.keyboard.type("x");
    await page.keyboard.press("Backspace");
    await page.keyboard.type("a");
    await page.keyboard.press("Enter");
    await shown(page, "hi Ada");
    server.touch("asks-go");
    await ended(page, "Completed");
    await expect.poll(() => outputOf(page)).toEqual(["name? Ada", "hi Ada"]);
    await expect.poll(() => page.locator("textarea").count()).toBe(0);
    await expect.poll(() => focused(page)).toContain("output-box");
  });

  test("keys arrive as a terminal sends them, and pasted text is marked where the program asks for it", async () => {
    const page = await started("keys");
    await shown(page, "ready");
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.keyboard.type("aé");
    for (const key of [
      "ArrowUp",
      "Control+ArrowLeft",
      "F5",
      "Delete",
      "Tab",
      "Shift+Tab",
      "Escape",
      "Control+c",
      "Alt+b",
    ])
      await page.keyboard.press(key);
    await page.evaluate("navigator.clipboard.writeText('1\\n2')");
    await page.keyboard.press("Control+v");
    // These are buttons, for what a phone does not have and what the browser keeps.
    await page.getByRole("button", { name: "Ctrl" }).click();
    await page.keyboard.press("w");
    await page.getByRole("button", { name: "Up", exact: true }).click();
    await page.keyboard.press("q");
    await ended(page, "Completed");
    const expected = [
      ["61 c3 a9", "1b 4f 41", "1b 5b 31 3b 35 44", "1b 5b 31 35 7e", "1b 5b 33 7e", "09", "1b 5b 5a", "1b", "03"],
      ["1b 62", "1b 5b 32 30 30 7e 31 0d 32 1b 5b 32 30 31 7e", "17", "1b 4f 41", "71"],
    ];
    // The last line is the size that the page has told.
    await expect.poll(async () => (await outputOf(page)).at(-1)).toMatch(/^2\d 1[12]\d$/);
    // A line may end at a blank, which is then not to be seen.
    const withoutBlanks = (text: string): string => text.replaceAll(" ", "");
    expect(withoutBlanks((await outputOf(page)).join(""))).toContain(withoutBlanks(expected.flat().join("")));
  });

  test("an input method writes at the cursor, and only what it has decided is sent", async () => {
    const page = await started("asks");
    await shown(page, "name?");
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Input.imeSetComposition", { text: "に", selectionStart: 1, selectionEnd: 1 });
    await page.locator("textarea.is-composing").waitFor();
    await devtools.send("Input.imeSetComposition", { text: "日本", selectionStart: 2, selectionEnd: 2 });
    await devtools.send("Input.insertText", { text: "日本" });
    // Safari tells the Enter that confirms the word so, behind the end of the composition.
    await page.evaluate(
      "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true }))",
    );
    await page.keyboard.type("語");
    await page.keyboard.press("Enter");
    server.touch("asks-go");
    await shown(page, "hi 日本語");
    await ended(page, "Completed");
    await expect.poll(async () => (await outputOf(page))[0]).toBe("name? 日本語");
  });

  test("the terminal is no trap: Shift+Escape leaves, Tab comes back, and it says so", async () => {
    const page = await started("shell");
    await shown(page, "$");
    await expect.poll(() => focused(page)).toContain("terminal-field");
    await page.getByText("leaves it").waitFor();
    expect(await page.locator("textarea").getAttribute("aria-label")).toContain("Shift and Escape leave it");
    await page.keyboard.press("Tab");
    expect(await focused(page)).toContain("terminal-field");
    await page.keyboard.press("Shift+Escape");
    await expect.poll(() => focused(page)).toContain("Ctrl");
    await page.keyboard.press("Shift+Tab");
    await expect.poll(() => focused(page)).toContain("terminal-field");
    // Keys of the page do nothing while the command has them.
    await page.keyboard.type("exit?f/");
    await shown(page, "$ exit?f/");
    expect(await page.getByRole("dialog").count()).toBe(0);
    await page.keyboard.press("Control+u");
    await page.keyboard.type("exit");
    await page.keyboard.press("Enter");
    await ended(page, "Completed");
  });

  test("text is copied with Ctrl+C where some is marked, and the next key goes to the command again", async () => {
    const page = await started("shell");
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await shown(page, "$");
    await page.keyboard.type("echo copy-this");
    await page.keyboard.press("Enter");
    await page.locator(".line", { hasText: /^copy-this/ }).dblclick({ position: { x: 30, y: 10 } });
    await page.keyboard.press("Control+c");
    await expect.poll(() => page.evaluate("navigator.clipboard.readText()")).toMatch(/copy/);
    await page.keyboard.type("echo again");
    await page.keyboard.press("Enter");
    await shown(page, /^again/);
  });

  test("an editor and a pager have the whole screen, and give it back; the size follows the window", async () => {
    const page = await started("shell");
    await shown(page, "$");
    await page.keyboard.type("seq 1 300 | less; stty size");
    await page.keyboard.press("Enter");
    await shown(page, /^1$/);
    await page.keyboard.press("PageDown");
    await page.keyboard.press("End");
    await page.keyboard.type("G");
    await shown(page, /^300$/);
    await expect.poll(() => page.locator(".line", { hasText: /^1$/ }).count()).toBe(0);
    await page.keyboard.press("q");
    await shown(page, /^27 1[12]\d$/);
    await expect.poll(() => page.locator(".line", { hasText: /^300$/ }).count()).toBe(0);
    await page.setViewportSize({ width: 1000, height: 650 });
    await expect
      .poll(async () => {
        await page.keyboard.type("clear; stty size");
        await page.keyboard.press("Enter");
        await shown(page, /^\d+ \d+$/);
        return (await outputOf(page)).findLast((line) => /^\d+ \d+$/.test(line));
      })
      .toMatch(/^20 8\d$/);
    expect(
      await page.locator(".output-box").evaluate((box) => (box as unknown as { clientHeight: number }).clientHeight),
    ).toBe(20 * 20 + 16);
  });

  test("two pages type to one run, each in its own size", async () => {
    const wide = await started("shell");
    await shown(wide, "$");
    const narrow = await form("shell", { viewport: { width: 390, height: 780 } });
    await narrow.goto(wide.url());
    await shown(narrow, "$");
    const sizes: (string | null)[] = [];
    for (const page of [narrow, wide]) {
      await page.evaluate("document.activeElement.blur()");
      await page.locator(".output-box").click();
      await expect
        .poll(async () => {
          await page.keyboard.type("clear; stty size");
          await page.keyboard.press("Enter");
          await shown(page, /^\d+ \d+$/);
          return (await outputOf(page)).findLast((line) => /^\d+ \d+$/.test(line));
        })
        .toMatch(page === wide ? /^27 1[12]\d$/ : /^15 4\d$/);
      sizes.push(await page.locator(".output-box").getAttribute("style"));
    }
    expect(sizes).toEqual(["--rows: 15;", "--rows: 27;"]);
    // The narrow one is only looked at, and nothing is typed there.
    for (const page of [narrow, wide]) {
      await page.evaluate("document.activeElement.blur()");
      const told = page.waitForResponse((answer) => answer.url().endsWith("/terminal"));
      await page.locator(".output-box").click();
      expect((await told).status()).toBe(204);
    }
    await wide.keyboard.type("clear; stty size; echo back");
    await wide.keyboard.press("Enter");
    await shown(wide, /^back$/);
    await expect
      .poll(async () => (await outputOf(wide)).findLast((line) => /^\d+ \d+$/.test(line)))
      .toMatch(/^27 1[12]\d$/);
  });

  test("a broken connection is told, and what was typed meanwhile arrives once it is back", async () => {
    const page = await started("shell");
    await shown(page, "$");
    await page.context().setOffline(true);
    await page.keyboard.type("echo of");
    await page.getByText(/does not arrive. \d bytes? wait/).waitFor();
    await page.keyboard.type("fline");
    await page.context().setOffline(false);
    await shown(page, "$ echo offline");
    await page.keyboard.press("Enter");
    await shown(page, /^offline$/);
    await page.getByText("leaves it").waitFor();
    await expect.poll(async () => (await outputOf(page)).slice(0, 2)).toEqual(["$ echo offline", "offline"]);
  });

  test("a command without a terminal gets lines, hidden ones too, and their end", async () => {
    const page = await form("answers");
    await page.getByText("Type while it runs").click();
    await page.getByRole("button", { name: "Run", exact: true }).click();
    const field = page.getByRole("form", { name: "Type to the command" }).locator("input.code");
    await field.waitFor();
    await expect.poll(() => field.evaluate("document.activeElement.tagName")).toBe("INPUT");
    await page.keyboard.type("one  line");
    await page.keyboard.press("Enter");
    await shown(page, "got <one line>".replace(" ", "  "));
    await expect.poll(() => field.inputValue()).toBe("");
    await page.reload();
    await page.getByLabel("Hide what I type").check();
    await expect.poll(() => field.getAttribute("type")).toBe("password");
    await field.fill("geheim");
    await page.getByRole("button", { name: "Send" }).click();
    await shown(page, "got <geheim>");
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.evaluate("navigator.clipboard.writeText('a\\r\\nb\\nrest')");
    await field.press("Control+v");
    await shown(page, "got <b>");
    await expect.poll(() => field.inputValue()).toBe("rest");
    await page.getByRole("button", { name: "End of input" }).click();
    await ended(page, "Completed");
    await expect
      .poll(() => outputOf(page))
      .toEqual(["got <one  line>", "got <geheim>", "got <a>", "got <b>", "no more"]);
    await expect.poll(() => page.getByRole("form").count()).toBe(0);
  });

  test("axe finds nothing at a terminal and at the field for lines, and nothing is wider than the page", async () => {
    const pages = [await started("shell"), await form("answers")];
    await shown(pages[0]!, "$");
    await pages[0]!.keyboard.type("echo axe; ls -l --color=always /");
    await pages[0]!.keyboard.press("Enter");
    await shown(pages[0]!, /^axe$/);
    await pages[1]!.getByText("Type while it runs").click();
    await pages[1]!.getByRole("button", { name: "Run", exact: true }).click();
    await pages[1]!.getByRole("form").waitFor();
    const found: string[] = [];
    for (const page of pages) {
      for (const [colorScheme, width, rules] of [
        ["light", 1280, "all"],
        ["dark", 1280, "colours"],
        ["dark", 390, "all"],
        ["light", 390, "colours"],
      ] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.setViewportSize({ width, height: 800 });
        found.push(...(await accessibilityFaults(page, rules)));
        const overflow: unknown = await page.evaluate(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        if (Number(overflow) > 0) found.push(`${width}: ${String(overflow)} pixels too wide`);
      }
    }
    expect(found).toEqual([]);
  }, 240_000);
});
