/** Looks for a text in the lines of an output, a piece at a time, and goes on with what comes later. */
import type { OutputModel } from "./output-model.js";

/** More hits help nobody, and take memory. */
export const maxHits = 20_000;

export class LineSearch {
  readonly query: string;
  readonly #model: OutputModel;
  /** Numbers of settled lines, rising. */
  readonly #settledHits: number[] = [];
  #next = 0;

  constructor(model: OutputModel, query: string) {
    this.#model = model;
    this.query = query.toLowerCase();
  }

  /** Looks through about so many lines. Returns whether some are left. */
  step(lines: number): boolean {
    const model = this.#model;
    this.#next = Math.max(this.#next, model.first);
    for (let left = lines; left > 0 && this.#next < model.settled;) {
      const chunk = model.textsAt(this.#next);
      if (chunk === undefined) break;
      const end = chunk.first + chunk.texts.length;
      for (; this.#next < end; this.#next++, left--) {
        if (this.#settledHits.length >= maxHits) return false;
        if (chunk.texts[this.#next - chunk.first]?.toLowerCase().includes(this.query) === true)
          this.#settledHits.push(this.#next);
      }
    }
    return this.#next < model.settled;
  }

  /** The numbers of all lines with the text, as far as they were looked through, and of those that still change. */
  hits(): readonly number[] {
    const model = this.#model;
    const kept = this.#settledHits.findIndex((number) => number >= model.first);
    const hits = kept === -1 ? [] : this.#settledHits.slice(kept);
    for (let number = Math.max(model.first, model.settled); number < model.lineEnd && hits.length < maxHits; number++) {
      if (model.line(number)?.text.toLowerCase().includes(this.query) === true) hits.push(number);
    }
    return hits;
  }
}

/** Where the query stands in a text: pairs of start and end. Lower case may change the length of a few letters. */
export function placesOf(text: string, query: string): readonly (readonly [start: number, end: number])[] {
  const lower = text.toLowerCase();
  if (query === "" || lower.length !== text.length) return [];
  const places: [number, number][] = [];
  for (let at = lower.indexOf(query); at !== -1 && places.length < 200; at = lower.indexOf(query, at + query.length)) {
    places.push([at, at + query.length]);
  }
  return places;
}
