/** @import { Reporter, TestModule, Vitest } from "vitest/node" */

const slowFiles = 10;

/**
 * A reporter that ends every run with its slowest files, a line for each test that failed, and then with one plain line,
 * "N passed, N failed, N skipped", for people and programs alike.
 * A file that could not be loaded and an error that no test caught count as failures, and so does a run without any test.
 * @implements {Reporter}
 */
export class ClosingLine {
  #watch = false;

  /** @param {Vitest} vitest */
  onInit(vitest) {
    this.#watch = vitest.config.watch;
  }

  /**
   * @param {readonly TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    let passed = 0;
    let failed = unhandledErrors.length;
    let skipped = 0;
    for (const testModule of modules) {
      failed += testModule.errors().length;
      for (const suite of testModule.children.allSuites()) failed += suite.errors().length;
      for (const test of testModule.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        else if (state === "failed") failed += 1;
        else skipped += 1; // also those that an error prevented
      }
    }
    if (passed + failed === 0) {
      console.error("No test ran, which counts as a failure.");
      process.exitCode = 1;
      failed = 1;
    }
    const lines = [...slowestOf(modules), ...modules.flatMap(failuresOf)];
    const print = () => {
      for (const line of lines) console.log(line);
      console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    };
    // Other reporters and the coverage still write after this event, but this line must be the last one.
    if (this.#watch) print();
    else process.once("exit", print);
  }
}

/**
 * Where only the end of a long log is kept, these lines still say what failed, and why.
 * @param {TestModule} testModule
 */
function failuresOf(testModule) {
  return [...testModule.children.allTests("failed")].map((test) => {
    const [first] = test.result().errors ?? [];
    const reason = (first?.message ?? "no error was told").split("\n", 3).join(" ").slice(0, 300);
    return `failed test: ${testModule.relativeModuleId} > ${test.fullName}: ${reason}`;
  });
}

/**
 * Only where there are many: who runs a file or two sees its time anyhow.
 * @param {readonly TestModule[]} modules
 */
function slowestOf(modules) {
  if (modules.length <= slowFiles) return [];
  const times = modules.map((testModule) => {
    const { duration, collectDuration } = testModule.diagnostic();
    return { file: testModule.relativeModuleId, ms: duration + collectDuration };
  });
  const allMs = times.reduce((sum, { ms }) => sum + ms, 0);
  return [
    `The slowest of ${times.length} files, which took ${(allMs / 1000).toFixed(0)} s in all:`,
    ...times
      .toSorted((a, b) => b.ms - a.ms)
      .slice(0, slowFiles)
      .map(({ file, ms }) => `${(ms / 1000).toFixed(1).padStart(6)} s  ${file}`),
  ];
}
