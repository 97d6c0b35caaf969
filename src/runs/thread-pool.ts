export class ThreadPool { constructor(_o: unknown) {} async run(..._a: unknown[]): Promise<unknown> { throw new Error("no"); } async close(_n: number) {} }
