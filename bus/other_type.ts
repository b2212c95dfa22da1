/**
 * A type of its own for every text that is no known kind of message. It stands apart because it is for the compiler alone: the
 * module has nothing to import when it runs.
 *
 * @module
 */

/**
 * The `type` of a message that is none of the known kinds: any other text. It is a type of its own so that
 * `message.type === "subject"` leaves one kind only, and a misspelt kind does not compile. Kinds of your own are named once,
 * `MessageClient<MyMessage>`.
 */
export declare enum OtherType {
  /** Stands for every other text. It is for the compiler alone: there is no such value. */
  Other = "",
}
