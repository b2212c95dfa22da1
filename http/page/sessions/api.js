// What the Sessions page asks of the gateway, and what a refusal says.

import { ask } from "../gateway.js";

const DEADLINE_MS = 15_000;

/** The gateway does not do it; the message is for the person. */
export class Refusal extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** The text of an answer; throws a {@link Refusal} for any that is no success. */
async function request(path, init) {
  let answer;
  try {
    answer = await ask(path, DEADLINE_MS, init);
  } catch (error) {
    const isLate = error.name === "AbortError";
    throw new Refusal(
      isLate ? "The gateway takes too long to answer." : "The gateway does not answer.",
      "away",
    );
  }
  if (answer.isOk) return answer.text;
  throw refusalOf(answer);
}

function refusalOf({ status, text }) {
  try {
    const { detail, code } = JSON.parse(text);
    return new Refusal(detail, code);
  } catch {
    return new Refusal(`The answer is ${status}.`, "");
  }
}

/** What is at a path, as its text. */
export const readText = (path) => request(path, {});

/** What is at a path. */
export const read = async (path) => JSON.parse(await readText(path));

/** Changes something; answers with what it is now. */
export async function change(method, path, body) {
  const text = await request(path, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });
  return text === "" ? undefined : JSON.parse(text);
}

/** The query of what is set. */
export function queryOf(values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== "" && value !== false) {
      query.set(name, value === true ? "1" : String(value));
    }
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
