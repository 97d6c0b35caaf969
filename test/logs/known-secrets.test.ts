import { expect, test } from "vitest";
import { maskKnown, useSecrets } from "#iscep/logs/known-secrets";

// Test files share this process, and what others hid a moment ago is still hidden.
test("a secret of a run is masked in what belongs to no run, during the run and for a while after", () => {
  const end = useSecrets(["opal-grotto-9"]);
  expect(maskKnown("say opal-grotto-9!")).toBe("say ***!");
  end();
  expect(maskKnown("say opal-grotto-9!")).toBe("say ***!");
});

test("a caller cannot make the logs of everybody unreadable by a short secret", () => {
  const end = useSecrets(["e", "error"]);
  expect(maskKnown("an error of somebody else")).toBe("an error of somebody else");
  end();
});
