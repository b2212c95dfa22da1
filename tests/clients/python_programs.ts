/** Programs in Python that use `clients/python/bus.py`; each prints what it hears, and does what it is told line by line. */
import { join } from "node:path";
import { ROOT } from "../support/program.ts";

/** The folder of the module under test. */
export const PYTHON_CLIENT: string = join(ROOT, "clients", "python");

const HEAD = `
import json, sys, time
sys.path.insert(0, ${JSON.stringify(PYTHON_CLIENT)})
import bus as module
from bus import BusError, connect
broadcast, receive, *rest = sys.argv[1:]
def say(*words):
    # A line at once: handlers say something in a thread of their own.
    sys.stdout.write(" ".join(str(word) for word in words) + "\\n")
    sys.stdout.flush()
`;

/** Hears with a handler, sends what it is told, says its place. */
export const TALKER: string = HEAD + `
bus = connect(broadcast, receive, name="talker", since=rest[0] if rest else "now",
    on={"*": lambda message: say("heard", message["type"], message.get("n"))})
bus.on_gap(lambda missed: say("missed", missed))
bus.ready()
say("ready")
for line in sys.stdin:
    word, _, text = line.strip().partition(" ")
    if word == "send":
        bus.send(json.loads(text))
    elif word == "place":
        say(bus.place)
    elif word == "end":
        break
`;

/** Sends a thousand messages and ends at once. */
export const SENDER: string = HEAD + `
bus = connect(broadcast, receive)
for n in range(1000):
    bus.send({"type": "n", "n": n})
`;

/** What cannot be done, with its code and how long it took. */
export const MISTAKES: string = HEAD + `
import math
bus = connect(broadcast, receive)
def tried(what):
    try:
        what()
    except BusError as error:
        say(error.code)
tried(lambda: bus.send([1]))
tried(lambda: bus.send({"subject": 1}))
tried(lambda: bus.send({"type": "a", "value": math.nan}))
tried(lambda: bus.send({"type": "a", "value": {1, 2}}))
tried(lambda: bus.send_text("{'type': 'a'}"))
tried(lambda: bus.send({"type": "a", "value": "x" * (16 * 1024 * 1024)}))
tried(lambda: connect("localhost"))
tried(lambda: connect(since="yesterday"))
tried(lambda: bus.ready(timeout=0.3))
for n in range(10_000):
    bus.send({"type": "n", "n": n})
tried(lambda: bus.send({"type": "n"}, timeout=0.1))
start = time.monotonic()
bus.close(timeout=0.2)
say("bounded" if time.monotonic() - start < 5 else "too long")
tried(lambda: bus.send({"type": "n"}))
tried(lambda: bus.on("n", print))
`;

/** Loops, with and without asyncio. */
export const LOOPS: string = HEAD + `
import asyncio
bus = connect(broadcast, receive)
messages = bus.messages("n", "stop")
bus.ready()
say("ready")
for message in messages:
    say("loop", message["type"], message.text, message.place == bus.place)
    if message["type"] == "stop":
        break
say("silence", list(bus.messages("never", timeout=0.1)))
async def main():
    async with connect(broadcast, receive) as other:
        messages = other.messages()
        await asyncio.to_thread(other.ready)
        say("ready")
        async for message in messages:
            say("async", message.text)
            if message["type"] == "stop":
                break
asyncio.run(main())
`;

/**
 * A program of the original's style: a window's object with a slot, and a client with a signal. The line that imports the client is
 * all that was changed; it was \`from braviz.interaction.connection import MessageClient\`.
 */
export const QT_PROGRAM: string = `
import sys
sys.path.insert(0, ${JSON.stringify(PYTHON_CLIENT)})
from PyQt5 import QtCore
from PyQt5.QtCore import pyqtSlot
from bus import MessageClient


class Explorer(QtCore.QObject):
    def __init__(self, server_broadcast, server_receive):
        super(Explorer, self).__init__()
        self.current_subject = None
        self._message_client = MessageClient(server_broadcast, server_receive)
        self._message_client.message_received.connect(self.receive_message)
        print("connected to", self._message_client.server_broadcast, flush=True)

    @pyqtSlot(dict)
    def receive_message(self, msg):
        assert QtCore.QThread.currentThread() is app.thread()
        if msg["type"] == "subject":
            self.current_subject = msg["subject"]
            print("subject", self.current_subject, flush=True)
            self._message_client.send_message({"type": "variables", "variables": ["AGE", str(self.current_subject)]})
        elif msg["type"] == "stop":
            self._message_client.stop()
            app.quit()
        else:
            print("other", msg["type"], flush=True)


app = QtCore.QCoreApplication(sys.argv)
explorer = Explorer(sys.argv[1], sys.argv[2])
app.exec_()
`;

/** The two other clients of the original. */
export const OLD_CLIENTS: string = HEAD + `
from array import array
from bus import GenericMessageClient, PassiveMessageClient
class Handler:
    def handle_new_message(self, message):
        say("handled", message["type"])
generic = GenericMessageClient(Handler(), broadcast, receive)
passive = PassiveMessageClient(broadcast, receive)
say("before", *passive.get_last_message())
generic.bus.ready()
passive.bus.ready()
generic.send_message({"type": "own", "values": array("i", [1, 2])})
while passive.get_last_message()[0] == 0:
    time.sleep(0.01)
say("last", *passive.get_last_message())
sys.stdin.readline()
passive.stop()
generic.stop()
`;

/** A broker of libzmq's, which numbers nothing: at any ports, or at those that it is given. */
export const FOREIGN_BROKER: string = `
import sys, zmq
context = zmq.Context()
pull, pub = context.socket(zmq.PULL), context.socket(zmq.PUB)
addresses = sys.argv[1:] or ["tcp://127.0.0.1:*"] * 2
for socket, address in zip((pub, pull), addresses):
    socket.bind(address)
print(pub.last_endpoint.decode(), pull.last_endpoint.decode(), flush=True)
zmq.proxy(pull, pub)
`;

/** Joins with keys, and says what it hears of itself. */
export const MEMBER: string = HEAD + `
bus = connect(broadcast, receive, key_file=rest[0], echo=True)
messages = bus.messages("n")
bus.ready()
bus.send({"type": "n", "text": "ë"})
say("heard", next(messages)["text"])
try:
    connect(broadcast, receive).ready(timeout=1)
except BusError as error:
    say(error.code, "keys" in str(error))
`;
