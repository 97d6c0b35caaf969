/** Who is signed in to the console, and what they may do there: in a real browser with a real server. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasNoBrowser, useBrowser } from "../support/browser.js";
import { openConsoleServer, type ConsoleServer } from "../support/console-server.js";

describe.skipIf(hasNoBrowser)("somebody who signs in to the console", () => {
  const browser = useBrowser();
  let server: ConsoleServer;
  let bob = "";
  let kim = "";
  beforeAll(async () => {
    server = await openConsoleServer("", [
      ["bob", "--run", "hello", "--no-discover"],
      ["kim", "--run", "hello(name=A*)"],
    ]);
    [bob = "", kim = ""] = server.moreTokens;
  });
  afterAll(() => server.remove());

  async function enter(page: Page, token: string): Promise<void> {
    await page.getByLabel("Token").fill(token);
    await page.getByLabel("Token").press("Enter");
    await page.getByRole("navigation").waitFor();
  }

  async function signedIn(path = "/console/", token = server.token): Promise<Page> {
    const page = await browser.open();
    await page.goto(server.origin + path);
    await enter(page, token);
    return page;
  }

  test("with a wrong token is told so at the field, and no script can read the cookie", async () => {
    const page = await browser.open();
    await page.goto(`${server.origin}/console/`);
    await page.getByLabel("Token").fill("isct_nobody_nothing");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("does not know this token").waitFor();
    await expect.poll(() => page.evaluate("document.activeElement.id")).toBe("token");
    await page.getByLabel("Token").fill(server.token);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Commands" }).waitFor();
    expect(await page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})")).not.toContain(
      "isct_",
    );
    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict", secure: true });
  });

  test("signs out here and for the cookie", async () => {
    const page = await signedIn();
    const cookies = await page.context().cookies();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.context().addCookies(cookies);
    await page.reload();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await expect.poll(() => page.getByRole("navigation").count()).toBe(0);
  });

  test("by a session that the server forgot is told so, and comes back to the same page", async () => {
    const page = await signedIn("/console/runs");
    await page.context().clearCookies();
    await page.getByRole("link", { name: "Schedules" }).click();
    await page.getByText("Your sign-in has ended").waitFor();
    await page.getByLabel("Token").fill(server.token);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Schedules" }).waitFor();
    expect(page.url()).toBe(`${server.origin}/console/schedules`);
  });

  test("sees what their token may do, and why, and nothing else", async () => {
    const page = await signedIn("/console/", server.narrowToken);
    await page.getByRole("link", { name: /^hello/ }).waitFor();
    expect(await page.locator("a.command").count()).toBe(1);
    await page.getByRole("link", { name: "Access" }).click();
    await page.getByText("grace").first().waitFor();
    await page.getByText("run:hello").first().waitFor();
    await page.goto(`${server.origin}/console/commands/wipe`);
    await page.getByText("There is no such command, or this token may not run it").waitFor();
    await page.goto(`${server.origin}/console/runs/01900000-0000-7000-8000-000000000000`);
    await page.getByText(/no such run/i).waitFor();
    // The command line has a hint of its own, which is no help here.
    expect(await page.locator(".note").innerText()).not.toMatch(/iscep runs|GET/);
    await page.goto(`${server.origin}/console/what/is/this`);
    await page.getByText("There is no page at this address").waitFor();
  });

  test("is told that this ends soon", async () => {
    const page = await signedIn("/console/", server.shortToken);
    await page.getByText(/This sign-in ends in (?:[1-9] min|\d+ s)/).waitFor();
    await page.getByRole("link", { name: "Access" }).click();
    await page.getByText("Valid until").waitFor();
    await expect.poll(() => page.locator(".account-facts").innerText()).toMatch(/in (?:[1-9] min|less than a minute)/);
  });

  test("and may not list commands stays signed in", async () => {
    const page = await signedIn("/console/", bob);
    await page.getByText("may run commands, and not list them").waitFor();
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await page.getByRole("heading", { name: "Runs" }).waitFor();
    await page.getByRole("link", { name: "Access" }).click();
    await page.getByText("run:hello").first().waitFor();
    await expect.poll(() => page.getByRole("heading", { name: "Sign in" }).count()).toBe(0);
  });

  test("and must not use a value reads why, and keeps what was entered", async () => {
    const page = await signedIn("/console/commands/hello", kim);
    await page.getByLabel("name").fill("Bea");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText(/only with name=A\*/).waitFor();
    expect(await page.getByLabel("name").inputValue()).toBe("Bea");
    await page.getByLabel("name").fill("Ada");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("hello, Ada").waitFor();
  });

  test("is signed out only when the server has heard it", async () => {
    const page = await signedIn();
    await page.route("**/session", (route) =>
      route.request().method() === "DELETE" ? route.abort() : route.continue(),
    );
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You are not signed out yet").waitFor();
    await page.getByText("whoever opens it here is signed in as you").waitFor();
    // It tries again by itself.
    await page.unroute("**/session");
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(await page.context().cookies()).toEqual([]);
    await page.reload();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  });

  test("sees nothing of who was signed in before", async () => {
    const page = await signedIn("/console/commands/steps");
    await page.getByLabel("file").fill("never");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByRole("complementary").getByRole("link", { name: /steps/ }).waitFor();
    await page.getByRole("link", { name: "Commands" }).click();
    await page.getByRole("link", { name: /^wipe/ }).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    // Nothing that bob asks for comes in time to take the place of what was there.
    await page.route(/\/(?:commands|runs\?.*)$/, () => undefined);
    await enter(page, bob);
    await page.getByRole("heading", { name: "Commands" }).waitFor();
    expect(await page.getByRole("link", { name: /steps|wipe/ }).count()).toBe(0);
  });

  test("repeats a broken attempt with its key, and sends another input with another one", async () => {
    const page = await signedIn("/console/commands/reads");
    const keys: (string | undefined)[] = [];
    await page.route("**/commands/reads", async (route) => {
      if (route.request().method() !== "POST") return route.continue();
      keys.push(route.request().headers()["idempotency-key"]);
      await route.abort();
    });
    const run = async (count: number): Promise<void> => {
      await page.getByRole("button", { name: "Run", exact: true }).click();
      await expect.poll(() => keys.length).toBe(count);
      await page.getByText("No connection to the server could be made").waitFor();
    };
    await page.getByRole("radiogroup", { name: "Standard input" }).getByText("A file").click();
    const file = page.getByLabel("File for standard input");
    const dump = (name: string) => ({ name, mimeType: "text/plain", buffer: Buffer.from(name) });
    await file.setInputFiles(dump("first.sql"));
    await run(1);
    await run(2);
    await file.setInputFiles(dump("second.sql"));
    await run(3);
    await page.getByRole("radiogroup", { name: "Standard input" }).getByText("Nothing").click();
    await run(4);
    expect(keys[1]).toBe(keys[0]);
    expect(new Set(keys).size).toBe(3);
  });
});
