// A message as a command or a program that sends it: what is copied runs as it stands. Where the bus is comes from `where`:
// `{ url, receiveAddress, hasToken }`. Without an address to send to, or with keys, Python takes HTTP, and R has no way.

/** The longest argument that a shell passes on is 128 kB. */
const MAX_ARGUMENT = 100_000;

/** The kinds, in the order in which they are shown, by their names. */
export const SNIPPETS = { curl, Python: python, R: r, JavaScript: javaScript };

/** The command that sends a message from a terminal; undefined where ZeroMQ needs keys. */
export function terminalCommand(text, { receiveAddress }) {
  if (receiveAddress === undefined) return undefined;
  return `deno run --allow-net=${hostOf(receiveAddress)} client.ts send --receive ${receiveAddress} ${
    shellQuoted(text)
  }`;
}

const hostOf = (address) => address.replace(/^tcp:\/\//, "").replace(/:\d+$/, "");

const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(text, { url, hasToken }) {
  const token = hasToken ? ' -H "authorization: Bearer $BUS_TOKEN"' : "";
  const head = `curl ${url}messages${token} -H 'content-type: application/json' --data-binary`;
  if (text.length < MAX_ARGUMENT) return `${head} ${shellQuoted(text)}`;
  let mark = "MESSAGE";
  while (text.includes(mark)) mark += "_";
  return `${head} @- <<'${mark}'\n${text}\n${mark}`;
}

/** A text in quotes; single ones, which leave a JSON text readable, where they do. */
function quoted(text, escape = JSON.stringify) {
  // deno-lint-ignore no-control-regex -- those need escapes
  return /['\\\x00-\x1f\x7f]/.test(text) ? escape(text) : `'${text}'`;
}

function python(text, { url, receiveAddress, hasToken }) {
  if (receiveAddress === undefined) {
    return `${hasToken ? "import os\n" : ""}import urllib.request

headers = {"content-type": "application/json"}
${hasToken ? 'headers["authorization"] = "Bearer " + os.environ["BUS_TOKEN"]\n' : ""}message = ${quoted(text)}
request = urllib.request.Request("${url}messages", message.encode(), headers)
urllib.request.urlopen(request)
`;
  }
  return `import zmq  # pip install pyzmq

context = zmq.Context()
sender = context.socket(zmq.PUSH)
sender.connect("${receiveAddress}")
sender.send_string(${quoted(text)})
sender.close()
context.term()
`;
}

/** R reads a script in the language of the machine: letters beyond ASCII are escaped. */
function escapedForR(text) {
  const escaped = JSON.stringify(text).replaceAll("\x7f", "\\x7f");
  return escaped.replace(
    /[^\x20-\x7e]/gu,
    (char) => `\\U${char.codePointAt(0).toString(16).padStart(8, "0")}`,
  );
}

function r(text, { receiveAddress }) {
  if (receiveAddress === undefined) return undefined;
  const message = /[^\x20-\x7e]/.test(text) ? escapedForR(text) : quoted(text, escapedForR);
  return `library(pbdZMQ)
context <- init.context()
sender <- init.socket(context, "ZMQ_PUSH")
connect.socket(sender, "${receiveAddress}")
message <- ${message}
send.socket(sender, charToRaw(enc2utf8(message)), serialize = FALSE)
zmq.close(sender)
zmq.ctx.destroy(context)
`;
}

function javaScript(text, { url, hasToken }) {
  const token = hasToken ? '\n    authorization: "Bearer …", // the token of the gateway' : "";
  // As an object where nothing of it changes on the way: large whole numbers would.
  const isSame = JSON.stringify(JSON.parse(text)) === text;
  return `await fetch("${url}messages", {
  method: "POST",
  headers: {${token}
    "content-type": "application/json",
  },
  body: ${isSame ? `JSON.stringify(${text})` : quoted(text)},
});
`;
}
