/**
 * What the parts of the description are made of.
 *
 * @module
 */

/** A piece of the description. */
export type Json = Readonly<Record<string, unknown>>;
/** The operations of some paths, by path and method. */
export type Paths = Readonly<Record<string, Readonly<Record<string, Json>>>>;

/** A component. */
export const ref = (kind: string, name: string): Json => ({ $ref: `#/components/${kind}/${name}` });
/** A body of one type. */
export const text = (type: string, schema: Json = { type: "string" }): Json => ({
  content: { [type]: { schema } },
});
/** An answer that is JSON. */
export const json = (description: string, schema: Json, headers: Json = {}): Json => ({
  description,
  ...text("application/json", schema),
  headers,
});
/** An answer without a body. */
export const empty = (description: string, headers: Json = {}): Json => ({ description, headers });
/** Answers that tell problems. */
export const problems = (...statuses: readonly number[]): Json =>
  Object.fromEntries(statuses.map((status) => [status, ref("responses", `Problem${status}`)]));
/** Parameters by name. */
export const parameters = (...names: readonly string[]): Json[] =>
  names.map((name) => ref("parameters", name));
/** Headers by name. */
export const headers = (...names: readonly string[]): Json =>
  Object.fromEntries(names.map((name) => [name, ref("headers", name)]));
/** The same without a body. */
export const head = (operation: Json): Json => ({
  ...operation,
  operationId: `${operation.operationId}Head`,
});

/** A parameter of the query. */
export const query = (name: string, description: string, schema: Json): Json => ({
  name,
  in: "query",
  description,
  schema,
});
/** A header of the request. */
export const header = (name: string, description: string): Json => ({
  name,
  in: "header",
  description,
  schema: { type: "string" },
});
/** A time. */
export const seconds = (minimum: number, maximum: number): Json => ({ type: "number", minimum, maximum });
/** A cursor. */
export const CURSOR: Json = {
  type: "string",
  examples: ["k3f9x2ab.1841", "now", "earliest", "latest", "1841"],
};
