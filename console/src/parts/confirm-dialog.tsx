/** Asks before a command runs whose author wants that. It shows what would run, and with which arguments. */
import type { JSX } from "preact";
import type { Command } from "../api/types.js";
import type { Field } from "../forms/field.js";
import { visibleLine, visibleText } from "../../../src/text/visible-text.js";
import { ArgumentList } from "./argument-list.js";
import { Dialog } from "./dialog.js";

interface Props {
  readonly command: Command;
  readonly fields: readonly Field[];
  readonly args: Readonly<Record<string, unknown>>;
  readonly onYes: () => void;
  readonly onNo: () => void;
}

export function ConfirmDialog({ command, fields, args, onYes, onNo }: Props): JSX.Element {
  const secrets = fields.filter(({ kind, name }) => kind === "secret" && name in args).map(({ name }) => name);
  return (
    <Dialog title={`Run ${visibleLine(command.name)}?`} onClose={onNo}>
      {command.description !== "" && <p>{visibleText(command.description)}</p>}
      <ArgumentList args={args} secrets={secrets} />
      <div class="actions">
        <button type="button" class="button" onClick={onNo}>
          No, go back
        </button>
        <button type="button" class="button is-main" onClick={onYes}>
          Yes, run it
        </button>
      </div>
    </Dialog>
  );
}
