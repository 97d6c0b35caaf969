import { encodeJson, type JsonLimits } from "./json.js";

/** A value as the text of its JSON: made once, so that all who tell of the value tell the same, whatever becomes of it. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /**
   * Undefined for undefined.
   * @param root what the message calls the value
   * @throws IscepError `invalid_arguments` as `encodeJson`
   */
  static of(value: unknown, limits: JsonLimits, root?: string): JsonText | undefined {
    const text = encodeJson(value, limits, root);
    return text === undefined ? undefined : new JsonText(text);
  }

  parse(): unknown {
    return JSON.parse(this.text);
  }

  /** As UTF-8. */
  get bytes(): number {
    return Buffer.byteLength(this.text);
  }
}
