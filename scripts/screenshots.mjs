/**
 * Takes pictures of eight views of the console into screenshots/, from a server with a service of its own. Two of them
 * stand in README.md: `npm run screenshots -- --docs` writes those into docs/images/.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("..", import.meta.url));
const iscep = path.join(root, "dist/cli/main.js");
const forDocuments = process.argv.includes("--docs");
const target = path.join(root, forDocuments ? "docs/images" : "screenshots");

const configuration = `
listen: 127.0.0.1:0
http: true
tokens: tokens.json
log_args: true
commands:
  backup_world:
    description: Pack a world into an archive, and check the archive
    run:
      - sh
      - -c
      - |
        printf '\\033[1mpacking %s\\033[0m\\n' "$0"
        i=0
        for part in level.dat region/r.0.0.mca region/r.0.1.mca region/r.1.0.mca region/r.1.1.mca entities/r.0.0.mca poi/r.0.0.mca playerdata/ada.dat playerdata/grace.dat data/raids.dat; do
          i=$((i + 1)); echo "::progress $((i * 10))% $part" >&2
          printf '\\033[32m✓\\033[0m %-24s \\033[2m%s KiB\\033[0m\\n' "$part" "$((i * 377 % 2048))"
          [ $i = 4 ] && echo 'warning: region/r.1.0.mca changed while it was read, reading it again' >&2
          [ $i = 7 ] && while [ "$1" = wait ] && [ ! -e go ]; do sleep 0.1; done
          sleep 0.02
        done
        printf 'wrote \\033[36marchives/%s.tar.zst\\033[0m, 11.4 MiB\\n' "$0"
      - "{world}"
      - "{label}"
    args:
      world: { type: enum, choices: [overworld, nether, end], default: overworld, description: which one to pack }
      level: { type: integer, minimum: 1, maximum: 19, default: 6, description: how hard to compress }
      label: { type: string, pattern: "[a-z0-9-]+", max_length: 20, default: nightly, description: ends up in the name of the archive }
      verify: { type: boolean, default: true, description: read the archive again afterwards }
      players: { type: list, items: { type: string }, max_items: 8, optional: true, description: only the data of these players }
      passphrase: { type: secret, min_length: 8, optional: true, description: encrypts the archive }
    argument_variables: [level, verify, players]
    stdin: "{passphrase}"
    schedule: { cron: "30 3 * * *", time_zone: Europe/Berlin, args: { world: overworld } }
  restore_world:
    description: Put a world back from an archive. The present one is moved away
    run: [echo, "restored {world}"]
    args: { world: { type: string, pattern: "[a-z_]+" } }
    confirm: true
  list_players:
    description: Who is on the server, and since when
    run: [printf, "ada    3 h\\\\ngrace  12 min\\\\n"]
    read_only: true
  kick_player:
    description: Send a player away, with a word why
    run: [sh, -c, 'echo "there is no player $0" >&2; exit 2', "{player}"]
    args: { player: { type: string, max_length: 16 }, reason: { type: string, optional: true } }
    argument_variables: [reason]
  report.weekly:
    description: Mail the numbers of the week to the people who look after the server
    run: [echo, "sent to 3 people"]
    schedule: { cron: "0 8 * * MON", time_zone: Europe/Berlin }
  report.disk:
    description: KiB that each world takes on the disk
    run: [printf, "overworld  812340\\\\nnether     96220\\\\nend        18044\\\\n"]
    read_only: true
  cache.prune:
    description: Remove thumbnails and maps that nobody looked at for 30 days
    run: [echo, "removed 1,204 files, 318 MiB"]
    confirm: true
    schedule: { cron: "15 */6 * * *", time_zone: UTC }
`;

const folder = mkdtempSync(path.join(tmpdir(), "iscep-screenshots-"));
writeFileSync(path.join(folder, "iscep.yaml"), configuration);
const environment = { PATH: process.env["PATH"] ?? "", HOME: folder, XDG_STATE_HOME: path.join(folder, "state") };
const token = execFileSync(process.execPath, [iscep, "tokens", "add", "ada"], {
  cwd: folder,
  env: environment,
  encoding: "utf8",
  stdio: ["ignore", "pipe", "ignore"],
}).trim();
const server = spawn(process.execPath, [iscep, "serve"], {
  cwd: folder,
  env: environment,
  stdio: ["ignore", "pipe", "inherit"],
});

/** @returns {Promise<string>} where the console is */
async function origin() {
  for await (const line of createInterface({ input: server.stdout })) {
    const url = /https:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
    if (url !== undefined) return url;
  }
  throw new Error("the server did not start");
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

/** @param {"light" | "dark"} colorScheme @param {boolean} isPhone */
async function open(colorScheme, isPhone) {
  const viewport = isPhone ? { width: 390, height: 780 } : { width: 1180, height: 740 };
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    colorScheme,
    viewport,
    deviceScaleFactor: isPhone ? 1.5 : 1,
    isMobile: isPhone,
    hasTouch: isPhone,
    reducedMotion: "reduce",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
  });
  return context.newPage();
}

/** @param {import("playwright-core").Page} page @param {string} name */
async function take(page, name) {
  const documented = ["run-light", "commands-dark"];
  if (forDocuments && !documented.includes(name)) return;
  await page.evaluate("document.activeElement?.blur()");
  const file = path.join(target, `console-${name}.png`);
  await page.screenshot({ path: file });
  console.log(`${path.relative(root, file)}: ${Math.ceil(statSync(file).size / 1024)} KiB`);
}

/** @param {import("playwright-core").Page} page @param {string} address */
async function signIn(page, address) {
  await page.goto(`${address}/console/`);
  await page.getByLabel("Token").fill(token);
  await page.getByLabel("Token").press("Enter");
  await page.locator("a.command").first().waitFor();
}

/** @param {import("playwright-core").Page} page @param {string} address @param {string} command @param {Record<string, unknown>} args */
async function run(page, address, command, args) {
  const answer = await page.request.post(`${address}/commands/${command}`, {
    data: args,
    headers: { prefer: "respond-async", origin: address },
  });
  const { run } = /** @type {{ run: string }} */ (await answer.json());
  return run;
}

try {
  mkdirSync(target, { recursive: true });
  const address = await origin();
  const wide = await open("light", false);
  await wide.goto(`${address}/console/`);
  await wide.getByLabel("Token").waitFor();
  await take(wide, "sign-in-light");
  await signIn(wide, address);
  const past = [
    ["report.disk", {}],
    ["backup_world", { world: "nether" }],
    ["list_players", {}],
    ["kick_player", { player: "eve" }],
    ["backup_world", { world: "end", label: "before-update" }],
    ["report.weekly", {}],
    ["cache.prune", {}],
    ["backup_world", { world: "overworld" }],
  ];
  for (const [command, args] of past)
    await run(wide, address, /** @type {string} */ (command), /** @type {Record<string, unknown>} */ (args));
  await wide.waitForTimeout(1_500);
  const live = await run(wide, address, "backup_world", { world: "overworld", label: "wait" });

  await wide.goto(`${address}/console/commands/backup_world`);
  await wide.locator(".last-runs").waitFor();
  await take(wide, "form-light");
  await wide.goto(`${address}/console/runs/${live}`);
  await wide.locator(".progress").waitFor();
  await wide.getByText("poi/r.0.0.mca").first().waitFor();
  await take(wide, "run-light");

  const dark = await open("dark", false);
  await signIn(dark, address);
  await dark.locator(".running li").first().waitFor();
  await take(dark, "commands-dark");
  await dark.goto(`${address}/console/runs`);
  await dark.locator(".run-command").first().waitFor();
  await take(dark, "runs-dark");
  await dark.goto(`${address}/console/schedules`);
  await dark.locator(".schedule-words").first().waitFor();
  await take(dark, "schedules-dark");

  const phone = await open("light", true);
  await signIn(phone, address);
  await take(phone, "commands-phone");
  await phone.goto(`${address}/console/runs/${live}`);
  await phone.locator(".progress").waitFor();
  await phone.getByText("poi/r.0.0.mca").first().waitFor();
  await take(phone, "run-phone");
} finally {
  await browser.close();
  const ended = once(server, "exit");
  server.kill("SIGKILL");
  await ended;
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
