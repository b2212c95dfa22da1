/** What the compiler says of messages: this file has to compile, and each line that is marked must not. */
import assert from "node:assert/strict";
import type { MessageServer } from "../../broker.ts";
import type { KnownMessage, Message } from "../../bus/messages.ts";
import type { MessageClient, NewMessageHandler } from "../../client.ts";

interface ZoomMessage {
  readonly type: "zoom";
  readonly factor: number;
}

/** As it comes over the bus. */
function parsed(text: string): Message {
  return JSON.parse(text);
}

Deno.test("Message has the fields of its kind once its type is known", () => {
  const message = parsed('{"type":"subject","subject":119}');
  assert(message.type === "subject");
  const subject: number | string = message.subject;
  assert.equal(subject, 119);
});

Deno.test("Message can be told apart by a switch, both spellings of visualization and other kinds included", () => {
  const seen = (message: Message): unknown => {
    switch (message.type) {
      case "sample":
        return message.sample.length;
      case "Visualization":
      case "visualization":
        return message.source;
      case "subject":
      case "log":
      case "reload":
      case "variables":
      case "ready":
        return message.type;
      default:
        return message.whatever;
    }
  };
  assert.equal(seen(parsed('{"type":"sample","sample":[1,2]}')), 2);
  assert.equal(seen(parsed('{"type":"Visualization","source":"a"}')), "a");
  assert.equal(seen(parsed('{"type":"mine","whatever":[7]}'))?.toString(), "7");
});

Deno.test("Message with a kind of one's own has the fields of that one, too", () => {
  const message: Message<ZoomMessage> = JSON.parse('{"type":"zoom","factor":2}');
  assert(message.type === "zoom");
  assert.equal(message.factor.toFixed(1), "2.0");
});

Deno.test("Message has no kind that is misspelt", () => {
  const message = parsed('{"type":"subject","subject":119}');
  // @ts-expect-error: there is no such kind
  assert.equal(message.type === "subjct", false);
  // A text is a text where that is meant.
  const type: string = message.type;
  assert.equal(type === "mine", false);
});

/** Never called: it has to compile. */
const _handler: NewMessageHandler<ZoomMessage> = {
  handleNewMessage: (message) => message.type === "zoom" ? message.factor : message.type,
};

/** Never called: it has to compile. */
function _listens(client: MessageClient<ZoomMessage>, server: MessageServer): (() => void)[] {
  client.on("zoom", ({ factor }) => factor.toFixed());
  client.on("mine", (message) => String(message.whatever));
  client.on("*", (message) => message.type === "zoom" && message.factor);
  client.addEventListener("message", ({ message }) => message.type === "zoom" && message.factor);
  client.sendMessage({ type: "zoom", factor: 2 });
  // @ts-expect-error: a kind of one's own, misspelt
  client.sendMessage({ type: "zoom", facter: 2 });
  // @ts-expect-error: there is no such member
  client.on("subject", ({ subjet }) => subjet);
  // @ts-expect-error: another one's member
  client.on("zoom", ({ subject }) => subject);
  return [client.on("subject", ({ subject }) => subject), server.on("ready", ({ source_pid }) => source_pid)];
}

/** The same. */
function _compiles(
  sender: MessageClient | MessageServer,
  text: string,
  known: KnownMessage,
  any: Message,
): void {
  sender.sendMessage({ type: "subject", subject: 119 });
  sender.sendMessage({ type: "sample", sample: [1, "b"], target: 5 });
  sender.sendMessage({ type: "Visualization", source: "a", scenario: {} });
  sender.sendMessage({ type: "visualization", source: "a", scenario: {} });
  sender.sendMessage(known);
  sender.sendMessage(any);
  // Other kinds, with whatever they have.
  sender.sendMessage({ type: "mine" });
  sender.sendMessage({ type: "mine", n: 1, list: [true] });
  sender.sendMessage({ type: text, n: 1 });
  const zoom: ZoomMessage = { type: "zoom", factor: 2 };
  sender.sendMessage(zoom);
  // More than a kind needs is no mistake where it is no slip of the pen.
  const rich = { type: "subject", subject: 119, comment: "x" } as const;
  sender.sendMessage(rich);

  // @ts-expect-error: misspelt
  sender.sendMessage({ type: "subject", subjet: 119 });
  // @ts-expect-error: misspelt, beside the right one
  sender.sendMessage({ type: "subject", subject: 119, subjet: 119 });
  // @ts-expect-error: misspelt, one that may be missing
  sender.sendMessage({ type: "sample", sample: [], taget: 5 });
  // @ts-expect-error: missing
  sender.sendMessage({ type: "ready", source_pid: 1 });
  // @ts-expect-error: of the wrong type
  sender.sendMessage({ type: "variables", variables: "age" });
  // @ts-expect-error: no type
  sender.sendMessage({ subject: 119 });
  // @ts-expect-error: a type that is no text
  sender.sendMessage({ type: 5 });
}
