import { encodeJson, type JsonLimits } from "./json.js";

/** The JSON text of a value. The text is made once, so that all who report the value report the same. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /**
   * Returns undefined for undefined. @param root the name of the value in the message
   * @throws IscepError `invalid_arguments` as `encodeJson`
   */
  static of(value: unknown, limits: JsonLimits, root?: string): JsonText | undefined {
    const text = encodeJson(value, limits, root);
    return text === undefined ? undefined : new JsonText(text);
  }

  parse(): unknown {
    return JSON.parse(this.text);
  }

  /** The text as UTF-8. */
  get bytes(): number {
    return Buffer.byteLength(this.text);
  }
}
