/**
 * The way out: every answer is counted here, an error becomes one, and pages of allowed origins may read it.
 *
 * @module
 */
import { answer } from "./answers.ts";
import type { Counters } from "./counters.ts";
import type { Settings } from "./options.ts";
import type { Policy } from "./policy.ts";
import { Problem } from "./problem.ts";
import { archiveProblem } from "./sessions/archive_problem.ts";
import type { Stop } from "./stop.ts";

/** See the module. */
export class Exit {
  readonly #settings: Settings;
  readonly #policy: Policy;
  readonly #counters: Counters;
  readonly #stop: Stop;

  constructor(settings: Settings, policy: Policy, counters: Counters, stop: Stop) {
    this.#settings = settings;
    this.#policy = policy;
    this.#counters = counters;
    this.#stop = stop;
  }

  /** Counts an answer, and lets a page of an allowed origin read it. */
  finish(route: string, response: Response, corsOrigin: string | undefined): Response {
    const { status } = response;
    this.#counters.countRequest(route, status);
    if (corsOrigin === undefined || status === 101) return response;
    // A copy: some answers are the same object for everyone.
    const readable = new Response(response.body, response);
    for (const [header, value] of this.#policy.corsHeaders(corsOrigin)) readable.headers.set(header, value);
    readable.headers.set("cross-origin-resource-policy", "cross-origin");
    return readable;
  }

  /** The answer that tells a problem. It is counted. */
  refuse(problem: Problem): Response {
    this.#counters.countRefused(problem.code);
    return answer(problem.toBody(this.#settings.prefix), problem.status, [
      ["content-type", "application/problem+json"],
      ...Object.entries(problem.headers),
    ]);
  }

  /** The answer that tells an error. */
  explain(error: unknown): Response {
    const problem = error instanceof Problem ? error : archiveProblem(error);
    if (problem !== undefined) return this.refuse(problem);
    this.#settings.log(`fault: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
    return this.refuse(
      new Problem("internal-error", "Cannot answer: the gateway made a mistake, its log says more"),
    );
  }

  /** Begins an answer that is not there yet. */
  later(call: { readonly route: string; readonly corsOrigin: string | undefined }): Later {
    return new Later(this, this.#stop, call.route, call.corsOrigin);
  }
}

/**
 * An answer that is not there yet; the stop of the gateway waits for it. It is settled rather than returned by a promise that
 * somebody would wait for: for each of thousands of long-polls that second promise would be time in which the others wait.
 */
export class Later {
  /** The answer as it goes out. It never rejects. */
  readonly promise: Promise<Response>;
  readonly #exit: Exit;
  readonly #stop: Stop;
  readonly #route: string;
  readonly #corsOrigin: string | undefined;
  readonly #resolve: (response: Response) => void;

  constructor(exit: Exit, stop: Stop, route: string, corsOrigin: string | undefined) {
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#exit = exit;
    this.#stop = stop;
    this.#route = route;
    this.#corsOrigin = corsOrigin;
    stop.hold();
  }

  /** Here it is. To be called once. */
  settle(response: Response): void {
    this.#resolve(this.#exit.finish(this.#route, response, this.#corsOrigin));
    this.#stop.release();
  }

  /** There will be none, but an answer that says why. */
  fail(error: unknown): void {
    this.settle(this.#exit.explain(error));
  }
}
