import { expect, test } from "vitest";
import { maskKnown, useSecrets } from "#iscep/logs/known-secrets";

test("a secret of a run is masked in what belongs to no run, during the run and for a while after", () => {
  const end = useSecrets(["sesame-street-9"]);
  expect(maskKnown("open sesame-street-9!")).toBe("open ***!");
  end();
  expect(maskKnown("open sesame-street-9!")).toBe("open ***!");
});

test("a caller cannot make the logs of everybody unreadable by a short secret", () => {
  const end = useSecrets(["e", "error"]);
  expect(maskKnown("an error of somebody else")).toBe("an error of somebody else");
  end();
});
