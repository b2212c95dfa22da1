/**
 * Text, line by line.
 *
 * @module
 */

/** Cuts what comes at its line ends. */
export class TextLineStream extends TransformStream<string, string> {
  /** Nothing is held but the beginning of a line. */
  constructor() {
    let rest = "";
    super({
      transform(chunk, controller) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        for (const line of lines) controller.enqueue(line);
      },
    });
  }
}
