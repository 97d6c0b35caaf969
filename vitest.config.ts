import { defineConfig } from "vitest/config";
import { ClosingLine } from "./scripts/closing-line.mjs";

const shared = {
  // The tests run the very files that are shipped: dist/ is loaded by Node itself, never transformed.
  server: { deps: { external: [/\/dist\//] } },
  pool: "forks" as const,
  execArgv: ["--throw-deprecation"],
  expect: { poll: { interval: 20, timeout: 25_000 } },
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: "main",
          include: ["test/**/*.test.ts"],
          exclude: ["test/package/**", "test/browser/**"],
          // A few processes for all files, as starting one for each and loading all code again took a third of the time. What a
          // file leaves behind shows: handles are counted after each test, and any error that nobody caught fails the run.
          isolate: false,
          // Only so long that a test that hangs is noticed: a busy machine is no fault, and two copies of the tests beside each
          // other on two cores take four times as long. Many rounds take their time.
          testTimeout: process.env["ISCEP_STRESS"] === undefined ? 60_000 : 1_200_000,
          hookTimeout: 60_000,
        },
      },
      {
        // Drives the console in Chromium, so it is slow and has a command of its own: npm run test:browser
        test: {
          ...shared,
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        // Installs from the registry and from git, so it is slow and has a command of its own: npm run test:package
        test: {
          ...shared,
          name: "package",
          include: ["test/package/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
    // Three times the cores of a small machine: most tests wait, for a process, a broker or a limit that is passed. With four
    // a fifth of the processors' time was left unused.
    maxWorkers: 6,
    globalSetup: ["test/support/temporary-root.ts"],
    passWithNoTests: false,
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ["default", new ClosingLine()],
    coverage: { provider: "v8", include: ["dist/**/*.js"], reporter: ["text-summary", "html"] },
  },
});
