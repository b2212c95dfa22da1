"""A client of the message bus in one file. It needs Python 3.9 and pyzmq: copy it next to your program.

    from bus import connect

    bus = connect("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556")
    bus.on("subject", lambda message: print("the subject is now", message["subject"]))
    bus.ready()
    bus.send({"type": "subject", "subject": 119})
    bus.run()

It connects again by itself and goes on where it was. What is missing is told: to `on_gap`, or as a warning of the logger `bus`.
Handlers run one after another in a thread of the bus. With Qt, `MessageClient` has a signal instead.
docs/python.md tells more; docs/protocol.md says how it is done.
"""

import asyncio
import atexit
import collections
import hashlib
import json
import logging
import math
import os
import random
import re
import socket as sockets
import sys
import threading
import time
import uuid
import weakref

import zmq
from zmq.utils.monitor import recv_monitor_message

__all__ = ["Bus", "BusError", "GenericMessageClient", "Message", "PassiveMessageClient", "connect", "instance_id"]

#: Id of this running instance, for `ready` and `log` messages.
instance_id = str(uuid.uuid4())

_log = logging.getLogger("bus")
_MARK = b"\0feed/1 "
_METADATA = 95  # ZMQ_METADATA: libzmq 4.3 has it, pyzmq does not name it
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_SEND_QUEUE = (10_000, 64 * 1024 * 1024)  # messages and bytes that may wait to be sent
_INBOX = (1000, 16 * 1024 * 1024)  # what may wait for a handler or a loop; then the broker has to hold the rest
_ECHO_SECONDS = 10  # how long a message of our own is waited for while the bus can be heard
_MAX_ECHOES = 100_000
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class BusError(Exception):
    """Something cannot be done. `code` says what: bad-option, not-an-object, missing-type, not-json, too-large, queue-full,
    no-address, no-broker or closed."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Message(dict):
    """A message as it came, with its `text` (JSON) and its `place` in the feed (None where the broker does not number)."""

    def __init__(self, fields, text, place):
        super().__init__(fields)
        self.text = text
        self.place = place


def connect(broadcast=None, receive=None, **options):
    """A connection to the bus; see `Bus`. Left out, the addresses are those of the environment variables BUS_BROADCAST and
    BUS_RECEIVE, or tcp://127.0.0.1:5555 and tcp://127.0.0.1:5556."""
    return Bus(
        broadcast or os.environ.get("BUS_BROADCAST") or "tcp://127.0.0.1:5555",
        receive or os.environ.get("BUS_RECEIVE") or "tcp://127.0.0.1:5556",
        **options,
    )


class Bus:
    """Sends and hears messages. It begins to listen with the first `on` or `messages`.

    broadcast, receive: the broker's addresses; None for one that is not used
    since: where to begin: "now", "earliest" (all that the broker holds), a duration such as "10m", or a `place` of an earlier run
    name: what the broker shows of this program
    key_file: for a broker with keys: the file of this member
    on: handlers by type, for those who begin in the past: `{"subject": handler}`
    echo: hear your own messages too
    """

    def __init__(self, broadcast=None, receive=None, *, since="now", name=None, key_file=None, on=None, echo=False):
        self._broadcast, self._receive = _address(broadcast), _address(receive)
        if broadcast is None and receive is None:
            raise BusError("bad-option", "Cannot connect: give the broadcast address, the receive address or both")
        self._asked, self._life, self._seq = _start(since)
        self._keys = None if key_file is None else _keys(key_file)
        self._properties = [("X-Instance", instance_id), ("X-Pid", str(os.getpid()))]
        if name is not None:
            if not isinstance(name, str) or not 1 <= len(name) <= 100:
                raise BusError("bad-option", "Cannot use name: it is no text of 1 to 100 characters")
            self._properties.append(("X-Name", name))
        self._echo = echo
        #: Where the program is: the place of the last message that it was given. Keep it, and give it as `since` later.
        self.place = None if self._life is None else f"{self._life}.{self._seq}"
        #: Messages that are missing, as far as their number is known, and how many gaps there were.
        self.missed = self.gaps = 0
        #: Frames that came and are no messages.
        self.refused = 0

        self._cond = threading.Condition()  # guards all that follows up to the next empty line
        self._outbox = collections.deque()
        self._outbox_bytes = 0
        self._inbox = collections.deque()
        self._inbox_bytes = 0
        self._handlers = []
        self._gap_handlers = []
        self._streams = weakref.WeakSet()
        self._wants_sub = self._wants_push = False
        self._sub_ready = self._push_ready = False
        self._trouble = {}
        self._close_by = None
        self._closed = False
        self._is_woken = False

        # Only the thread of the sockets touches these.
        self._context = zmq.Context()
        self._sub = self._push = None
        self._sub_events = self._push_events = None
        self._numbers = None  # does the broker of this connection number? None: not known before its first frame
        self._following = False
        self._was_heard = self._life is not None
        self._sub_ended = False
        self._sub_guess_at = math.inf
        self._retry_at = 0.0
        self._retries = 0
        self._warn_at = {}
        self._joined = set()
        self._clock = 0.0  # seconds in which our own messages could come back
        self._echoes = {}
        self._sent = collections.deque()

        self._waker, self._wakee = sockets.socketpair()
        self._waker.setblocking(False)
        self._wakee.setblocking(False)
        self._io = threading.Thread(target=self._work, name="bus", daemon=True)
        self._delivery = threading.Thread(target=self._deliver, name="bus handlers", daemon=True)
        _open.add(self)
        self._io.start()
        self._delivery.start()
        for kind, handler in (on or {}).items():
            self._handlers.append((kind, handler))
        if on:
            self._listen()

    # What a program calls.

    def send(self, message, timeout=10):
        """Sends a dict with a text in `type`. Returns at once; while the broker is away up to 10,000 messages wait, and then this
        waits for room, up to `timeout` seconds. NumPy and pandas values are sent as plain numbers and lists."""
        self._send(_encode(message), timeout)

    def send_text(self, text, timeout=10):
        """Sends a message that is JSON already, as it is."""
        try:
            message = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise BusError("not-json", f"Cannot send message: it is no JSON: {error}") from None
        _check(message)
        self._send(text if isinstance(text, bytes) else text.encode(), timeout)

    def on(self, kind, handler=None):
        """Calls `handler(message)` for each message of this type; "*" for all. Also a decorator: `@bus.on("subject")`."""
        if handler is None:
            return lambda function: self.on(kind, function)
        with self._cond:
            self._handlers.append((kind, handler))
        self._listen()
        return handler

    def off(self, handler):
        """Takes a handler back."""
        with self._cond:
            self._handlers = [pair for pair in self._handlers if pair[1] is not handler]
            self._gap_handlers = [one for one in self._gap_handlers if one is not handler]

    def on_gap(self, handler):
        """Calls `handler(missed)` where messages are missing: their number, or None where nobody knows it."""
        with self._cond:
            self._gap_handlers.append(handler)
        return handler

    def messages(self, *kinds, timeout=None):
        """A loop over what comes from now on: `for message in bus.messages("subject")`; without types, all. It ends when the bus
        is closed, or when nothing came for `timeout` seconds. A loop that is slower than the bus lets the broker wait for it, and
        then lose messages, which `on_gap` tells. Also for `async for`."""
        stream = _Messages(self, kinds, timeout)
        with self._cond:
            self._streams.add(stream)
        self._listen()
        return stream

    def __iter__(self):
        return self.messages()

    def __aiter__(self):
        return self.messages().__aiter__()

    def ready(self, timeout=10):
        """Waits until the broker is there and this program hears it, if it listens. From then on nothing is missed unseen.
        With brokers other than ours this is a good guess."""
        end = time.monotonic() + timeout
        with self._cond:
            self._wants_push = self._receive is not None
            if self._receive is None:
                self._wants_sub = True
            self._wake()
            while not ((self._sub_ready or not self._wants_sub) and (self._push_ready or not self._wants_push)):
                self._need_open("wait for the broker")
                left = end - time.monotonic()
                if left <= 0:
                    side = "broadcast" if self._wants_sub and not self._sub_ready else "receive"
                    address = self._broadcast if side == "broadcast" else self._receive
                    why = self._trouble.get(side, "nobody answers")
                    raise BusError("no-broker", f"No broker at the {side} address {address} after {timeout:g} seconds: {why}")
                self._cond.wait(min(left, 1))
        return self

    def flush(self, timeout=10):
        """Waits until everything has been handed to ZeroMQ. (Whether it is on the bus, only the broker knows.)"""
        end = time.monotonic() + timeout
        with self._cond:
            while self._outbox:
                left = end - time.monotonic()
                if left <= 0 or self._closed:
                    raise BusError("no-broker", f"{len(self._outbox)} messages still wait to be sent")
                self._cond.wait(min(left, 1))

    def run(self):
        """Lets the handlers work until the bus is closed or Ctrl+C is pressed."""
        try:
            with self._cond:
                while not self._closed:
                    self._cond.wait(1)
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def close(self, timeout=2):
        """Sends what still waits, for at most `timeout` seconds, and closes. A program that ends does it by itself."""
        with self._cond:
            if self._close_by is None:
                self._close_by = time.monotonic() + timeout
            self._wake()
            self._cond.notify_all()
        for thread in (self._io, self._delivery):
            # A handler that never returns must not keep the program from ending.
            if thread is not threading.current_thread():
                thread.join(max(0.0, self._close_by - time.monotonic()) + 0.5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    async def __aenter__(self):
        await asyncio.to_thread(self.ready)
        return self

    async def __aexit__(self, *_):
        await asyncio.to_thread(self.close)

    # Within.

    def _need_open(self, what):
        if self._close_by is not None or self._closed:
            raise BusError("closed", f"Cannot {what}: the bus is closed")

    def _listen(self):
        with self._cond:
            self._need_open("listen")
            if self._broadcast is None:
                raise BusError("no-address", "Cannot listen: no broadcast address was given")
            self._wants_sub = True
            self._wake()

    def _send(self, body, timeout):
        if len(body) > _MAX_MESSAGE_BYTES:
            raise BusError("too-large", f"Cannot send message: it has {len(body)} bytes, limit is {_MAX_MESSAGE_BYTES}")
        end = time.monotonic() + timeout
        with self._cond:
            while True:
                self._need_open("send message")
                if self._receive is None:
                    raise BusError("no-address", "Cannot send message: no receive address was given")
                size = self._outbox_bytes + len(body)
                if not self._outbox or (len(self._outbox) < _SEND_QUEUE[0] and size <= _SEND_QUEUE[1]):
                    break
                left = end - time.monotonic()
                if left <= 0:
                    why = self._trouble.get("receive", "the broker does not take them")
                    raise BusError("queue-full", f"Cannot send message: {len(self._outbox)} wait already: {why}")
                self._cond.wait(min(left, 1))
            self._outbox.append(body)
            self._outbox_bytes = size
            self._wants_push = True
            self._wake()

    def _wake(self):
        if not self._is_woken:
            self._is_woken = True
            try:
                self._waker.send(b"\0")
            except OSError:
                pass  # It is awake, or at its end.

    # The thread of the sockets.

    def _work(self):
        try:
            while self._step():
                pass
        except Exception:
            _log.exception("The bus has stopped")
        finally:
            self._end()

    def _step(self):
        now = time.monotonic()
        with self._cond:
            close_by = self._close_by
            if close_by is not None and (not self._outbox or now >= close_by):
                return False
            wants_sub, wants_push, is_sending = self._wants_sub, self._wants_push, bool(self._outbox)
            has_room = len(self._inbox) < _INBOX[0] and self._inbox_bytes < _INBOX[1]
        if wants_sub and self._sub is None and now >= self._retry_at:
            self._open_sub()
        if wants_push and self._push is None:
            self._open_push()
        poller = zmq.Poller()
        poller.register(self._wakee, zmq.POLLIN)
        if self._sub is not None and has_room:
            poller.register(self._sub, zmq.POLLIN)
        for events in (self._sub_events, self._push_events):
            if events is not None and not (events is self._sub_events and self._sub_ended):
                poller.register(events, zmq.POLLIN)
        if is_sending and self._push_ready:
            poller.register(self._push, zmq.POLLOUT)
        waits = [self._sub_guess_at, *self._warn_at.values()]
        if wants_sub and self._sub is None:
            waits.append(self._retry_at)
        if self._sub_ended and has_room:
            waits.append(now)
        if self._sent:
            waits.append(now + 1)
        if close_by is not None:
            waits.append(close_by)
        until = min(waits)
        ready = dict(poller.poll(None if until == math.inf else max(0, math.ceil((until - now) * 1000))))

        if self._following and self._push_ready:
            # A process that was stopped could not hear anything.
            self._clock += min(time.monotonic() - now, 2)
        now = time.monotonic()
        if self._wakee.fileno() in ready:
            with self._cond:
                self._is_woken = False
            try:
                self._wakee.recv(64)
            except OSError:
                pass
        if self._push in ready:
            self._write()
        frames = self._read() if self._sub in ready else 0
        if self._push_events in ready:
            self._hear_push(now)
        if self._sub_events in ready:
            self._hear_sub(now)
        if self._sub_ended and has_room and frames == 0:
            self._close_sub()
        if now >= self._sub_guess_at:
            self._sub_guess_at = math.inf
            self._say(_sub_ready=True)
        for side, at in list(self._warn_at.items()):
            if now >= at:
                del self._warn_at[side]
                address = self._broadcast if side == "broadcast" else self._receive
                _log.warning("no broker at the %s address %s yet: %s", side, address, self._trouble.get(side))
        while self._sent and (self._sent[0][2] or self._clock - self._sent[0][0] > _ECHO_SECONDS):
            self._forget()
        return True

    def _say(self, **states):
        with self._cond:
            for name, value in states.items():
                setattr(self, name, value)
            self._cond.notify_all()

    def _socket(self, kind):
        made = self._context.socket(kind)
        made.setsockopt(zmq.HANDSHAKE_IVL, 10_000)
        made.setsockopt(zmq.CONNECT_TIMEOUT, 5000)
        made.setsockopt(zmq.HEARTBEAT_IVL, 10_000)
        made.setsockopt(zmq.HEARTBEAT_TIMEOUT, 30_000)
        for name, value in self._properties:
            try:
                made.setsockopt(_METADATA, f"{name}:{value}".encode())
            except zmq.ZMQError:
                pass  # An older libzmq: the broker then shows the address only.
        if self._keys is not None:
            made.curve_publickey, made.curve_secretkey, made.curve_serverkey = self._keys
        return made

    def _open_push(self):
        self._push = self._socket(zmq.PUSH)
        self._push.setsockopt(zmq.RECONNECT_IVL, 100)
        self._push.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        self._push_events = self._push.get_monitor_socket(_events())
        self._push.connect(self._receive)

    def _open_sub(self):
        """A new socket for each connection: libzmq alone would ask for the place of the first time again."""
        self._sub = self._socket(zmq.SUB)
        self._sub.setsockopt(zmq.LINGER, 0)
        self._sub.setsockopt(zmq.RECONNECT_IVL, -1)
        self._sub_events = self._sub.get_monitor_socket(_events())
        start = self._asked if self._life is None else f"{self._life}.{self._seq}"
        self._sub.subscribe(_MARK + start.encode())
        self._sub.subscribe(b"")
        self._numbers, self._following, self._sub_ended = None, False, False
        self._sub.connect(self._broadcast)

    def _close_sub(self):
        self._sub.disable_monitor()
        self._sub_events.close(0)
        self._sub.close(0)
        self._sub = self._sub_events = None
        self._sub_ended = self._following = False
        self._sub_guess_at = math.inf
        self._say(_sub_ready=False)
        # Not all programs at the same moment.
        self._retry_at = time.monotonic() + min(2, 0.1 * 2**self._retries) * random.uniform(0.5, 1)
        self._retries += 1

    def _hear_sub(self, now):
        while self._sub_events.poll(0):
            event = recv_monitor_message(self._sub_events)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._fine("broadcast")
                self._sub_guess_at = now + 1
            elif self._is_trouble("broadcast", event, now):
                self._sub_ended = True
                return

    def _hear_push(self, now):
        while self._push_events.poll(0):
            event = recv_monitor_message(self._push_events)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._fine("receive")
                self._say(_push_ready=True)
            elif self._is_trouble("receive", event, now):
                self._say(_push_ready=False)

    def _fine(self, side):
        self._joined.add(side)
        self._trouble.pop(side, None)
        self._warn_at.pop(side, None)
        if side == "broadcast":
            self._retries = 0

    def _is_trouble(self, side, event, now):
        """Is the connection at its end? Notes why."""
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            why = "the broker does not let this key in"
        elif event == zmq.EVENT_CLOSED:
            why = "nobody listens there; is the broker running?"
        elif event == zmq.EVENT_DISCONNECTED and side in self._joined:
            why = "the connection was closed"
        elif event in (zmq.EVENT_DISCONNECTED, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL):
            why = f"what answers is no {side} address of a broker (are the two addresses swapped? does the broker use keys?)"
        else:
            return False
        self._joined.discard(side)
        with self._cond:
            self._trouble.setdefault(side, why)
        self._warn_at.setdefault(side, now + 3)
        return True

    def _write(self):
        for _ in range(1000):
            with self._cond:
                if not self._outbox:
                    return
                body = self._outbox[0]
            try:
                self._push.send(body, zmq.DONTWAIT)
            except zmq.Again:
                return
            if self._wants_sub and not self._echo:
                self._expect(body)
            with self._cond:
                self._outbox.popleft()
                self._outbox_bytes -= len(body)
                self._cond.notify_all()

    def _read(self):
        for count in range(100):
            try:
                frame = self._sub.recv(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return count
            if frame.more:
                continue  # No message of a broker has several frames.
            self._take(frame)
        return 100

    def _take(self, frame):
        if self._numbers is None:
            self._numbers = _has_feed(frame)
            if not self._numbers:
                # Nobody numbers here: what was missed between two connections is not known.
                if self._was_heard:
                    self._put("gap", None, None, None)
                self._was_heard, self._life, self._following = True, None, True
                self._say(_sub_ready=True)
        body = frame.bytes
        if body[:1] == b"\0":
            if self._numbers and body.startswith(_MARK):
                self._note(body)
            return
        if not self._following:
            return  # It came before the first note, and comes again behind it.
        place = None
        if self._numbers:
            self._seq += 1
            place = f"{self._life}.{self._seq}"
        if self._is_echo(body):
            self._put("place", None, None, place)
        else:
            self._put("message", body, len(body), place)

    def _note(self, body):
        try:
            note = json.loads(body[len(_MARK):])
        except ValueError:
            return
        place = note.get("place") if isinstance(note, dict) else None
        if not isinstance(place, str) or not _is_place(place):
            return
        life, seq = place.split(".")
        seq = int(seq)
        if self._was_heard:
            missed = seq - self._seq if life == self._life else None
            if missed is not None and missed < 0:
                missed = None
            if missed != 0:
                self._put("gap", missed, None, place)
        self._life, self._seq, self._was_heard, self._following = life, seq, True, True
        self._put("place", None, None, place)
        self._sub_guess_at = math.inf
        self._say(_sub_ready=True)

    def _put(self, what, body, size, place):
        with self._cond:
            if what == "place" and self._inbox and self._inbox[-1][0] == "place":
                self._inbox.pop()
            self._inbox.append((what, body, place))
            self._inbox_bytes += size or 0
            self._cond.notify_all()

    # Our own messages come back as they were sent; their bytes tell.

    def _expect(self, body):
        entry = [self._clock, _digest(body), False]
        self._sent.append(entry)
        self._echoes.setdefault(entry[1], collections.deque()).append(entry)
        if len(self._sent) > _MAX_ECHOES:
            self._forget()

    def _is_echo(self, body):
        if not self._sent:
            return False
        digest = _digest(body)
        entries = self._echoes.get(digest)
        if entries is None:
            return False
        entries.popleft()[2] = True
        if not entries:
            del self._echoes[digest]
        return True

    def _forget(self):
        entry = self._sent.popleft()
        if entry[2]:
            return
        entries = self._echoes[entry[1]]
        entries.popleft()
        if not entries:
            del self._echoes[entry[1]]

    def _end(self):
        with self._cond:
            left = len(self._outbox)
            linger = 0 if self._close_by is None else max(0.0, self._close_by - time.monotonic())
        for made in (self._sub, self._push):
            if made is not None:
                made.disable_monitor()
                made.close(0 if made is self._sub else math.ceil(linger * 1000))
        for events in (self._sub_events, self._push_events):
            if events is not None:
                events.close(0)
        self._context.term()
        with self._cond:
            self._closed = True
            self._is_woken = True  # Nobody is there to be woken.
            self._cond.notify_all()
        self._waker.close()
        self._wakee.close()
        _open.discard(self)
        if left > 0:
            _log.warning("closed, and %d messages were not sent", left)

    # The thread of the handlers.

    def _deliver(self):
        while True:
            with self._cond:
                while not self._inbox and self._close_by is None and not self._closed:
                    self._cond.wait()
                if self._close_by is not None or self._closed:
                    break
                what, body, place = self._inbox.popleft()
                if what == "message":
                    self._inbox_bytes -= len(body)
                self._wake()
                handlers, gap_handlers = list(self._handlers), list(self._gap_handlers)
                streams = [weakref.ref(stream) for stream in self._streams]
            if place is not None and (not streams or self.place is None):
                self.place = place
            if what == "message":
                self._deliver_message(body, place, handlers, streams)
                continue
            if what == "gap":
                self.gaps += 1
                self.missed += body or 0
                if not gap_handlers:
                    _log.warning("missed %s messages", "an unknown number of" if body is None else body)
                for handler in gap_handlers:
                    _call(handler, body)
        with self._cond:
            streams = list(self._streams)
        for stream in streams:
            stream._wake()

    def _deliver_message(self, body, place, handlers, streams):
        try:
            text = body.decode()
            fields = json.loads(text)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
            self.refused += 1
            return
        message = Message(fields, text, place)
        for kind, handler in handlers:
            if _fits(kind, fields["type"]):
                _call(handler, message)
        for ref in streams:
            while True:
                stream = ref()  # Held for a moment only: a loop that has ended is not waited for.
                if stream is None or not stream._wants(message) or stream._put(message):
                    break
                del stream
                with self._cond:
                    if self._close_by is not None:
                        return
                    self._cond.wait(0.1)


class _Messages:
    """What `Bus.messages` gives."""

    def __init__(self, bus, kinds, timeout):
        self._bus, self._kinds, self._timeout = bus, kinds, timeout
        self._queue = collections.deque()
        self._wake = self._notify

    def _notify(self):
        with self._bus._cond:
            self._bus._cond.notify_all()

    def _wants(self, message):
        return not self._kinds or any(_fits(kind, message["type"]) for kind in self._kinds)

    def _put(self, message):
        if len(self._queue) >= _INBOX[0]:
            return False
        self._queue.append(message)
        self._wake()
        return True

    def _next(self):
        """The next message; None when there is none yet."""
        if not self._queue:
            return None
        is_full = len(self._queue) >= _INBOX[0]
        message = self._queue.popleft()
        if message.place is not None:
            self._bus.place = message.place
        if is_full:
            self._notify()
        return message

    def __iter__(self):
        return self

    def __next__(self):
        end = math.inf if self._timeout is None else time.monotonic() + self._timeout
        with self._bus._cond:
            while True:
                message = self._next()
                if message is not None:
                    return message
                left = end - time.monotonic()
                if left <= 0 or self._bus._close_by is not None or self._bus._closed:
                    raise StopIteration
                self._bus._cond.wait(min(left, 1))

    def __aiter__(self):
        loop, self._came = asyncio.get_running_loop(), asyncio.Event()

        def wake():
            try:
                loop.call_soon_threadsafe(self._came.set)
            except RuntimeError:
                self._kinds = ("",)  # The loop is gone: nothing is wanted any more.
                self._queue.clear()

        self._wake = wake
        return self

    async def __anext__(self):
        while True:
            self._came.clear()
            message = self._next()
            if message is not None:
                return message
            if self._bus._close_by is not None or self._bus._closed:
                raise StopAsyncIteration
            try:
                await asyncio.wait_for(self._came.wait(), self._timeout)
            except asyncio.TimeoutError:
                raise StopAsyncIteration from None


# The classes of the original, by their names. They take its two arguments, and connect at once.


class GenericMessageClient:
    """Calls `handler.handle_json_message(text)` if there is one, and otherwise `handler.handle_new_message(message)`. Its own
    messages come back to it, too."""

    def __init__(self, handler, server_broadcast=None, server_receive=None, **options):
        self.server_broadcast, self.server_receive, self.handler = server_broadcast, server_receive, handler
        self.bus = Bus(server_broadcast, server_receive, echo=True, **options)
        if server_broadcast is not None:
            self.bus.on("*", self._handle)

    def _handle(self, message):
        handle_text = getattr(self.handler, "handle_json_message", None)
        if handle_text is not None:
            handle_text(message.text)
        else:
            self.handler.handle_new_message(message)

    def send_message(self, message):
        """See `Bus.send`."""
        self.bus.send(message)

    def send_json_message(self, text):
        """See `Bus.send_text`."""
        self.bus.send_text(text)

    def stop(self):
        """See `Bus.close`."""
        self.bus.close()


class PassiveMessageClient:
    """Keeps the last message for those who ask."""

    def __init__(self, server_broadcast=None, server_receive=None, **options):
        self.server_broadcast, self.server_receive = server_broadcast, server_receive
        self._last = (0, {})
        self.bus = Bus(server_broadcast, server_receive, **options)
        if server_broadcast is not None:
            self.bus.on("*", self._handle)

    def _handle(self, message):
        self._last = (self._last[0] + 1, message)

    def get_last_message(self):
        """How many messages came, and the last one; `(0, {})` before the first."""
        return self._last

    def send_message(self, message):
        """See `Bus.send`."""
        self.bus.send(message)

    def stop(self):
        """See `Bus.close`."""
        self.bus.close()


def _qt():
    """QtCore of the Qt that the program uses; otherwise of any that is there."""
    names = ("PyQt6", "PySide6", "PyQt5", "PySide2")
    for name in sorted(names, key=lambda name: f"{name}.QtCore" not in sys.modules):
        try:
            return __import__(f"{name}.QtCore", fromlist=["QtCore"])
        except ImportError:
            continue
    raise ImportError("MessageClient needs PyQt or PySide. Without Qt, use connect() or GenericMessageClient.")


def _qt_client():
    core = _qt()
    signal = getattr(core, "pyqtSignal", None) or core.Signal

    class MessageClient(core.QObject):
        """Emits `message_received(dict)` for each message of others, in the thread of whoever is connected to it, and
        `gap(missed)` where messages are missing: their number, or None where nobody knows it."""

        message_received = signal(dict)
        gap = signal(object)

        def __init__(self, server_broadcast=None, server_receive=None, parent=None, **options):
            super().__init__(parent)
            self.server_broadcast, self.server_receive = server_broadcast, server_receive
            self.bus = Bus(server_broadcast, server_receive, **options)
            self.bus.on_gap(lambda missed: self.gap.emit(missed))
            self.destroyed.connect(self.bus.close)
            if server_broadcast is not None:
                # A signal gives plain dicts everywhere: some Qt would copy ours.
                self.bus.on("*", lambda message: self.message_received.emit(dict(message)))

        def send_message(self, message):
            """See `Bus.send`."""
            self.bus.send(message)

        def stop(self):
            """See `Bus.close`."""
            self.bus.close()

    return MessageClient


def __getattr__(name):
    # Qt takes long to load, so only those who ask for it get it.
    if name == "MessageClient":
        globals()[name] = _qt_client()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _events():
    names = ("CLOSED", "DISCONNECTED", "HANDSHAKE_SUCCEEDED", "HANDSHAKE_FAILED_NO_DETAIL", "HANDSHAKE_FAILED_PROTOCOL",
             "HANDSHAKE_FAILED_AUTH")
    mask = 0
    for name in names:
        mask |= getattr(zmq, f"EVENT_{name}")
    return mask


def _has_feed(frame):
    try:
        return _is_place(frame.get("X-Feed") or "")
    except (zmq.ZMQError, KeyError, ValueError):
        return False


def _is_place(text):
    return re.fullmatch(r"[a-z0-9]{1,32}\.(0|[1-9][0-9]{0,14})", text) is not None


def _start(since):
    """The words by which the broker is asked, and the place where they name one."""
    if since in ("now", "earliest"):
        return since, None, 0
    if isinstance(since, str):
        if _is_place(since):
            life, seq = since.split(".")
            return since, life, int(seq)
        found = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h|d)", since)
        if found is not None:
            return f"age {int(found[1]) * _UNITS[found[2]]}", None, 0
    raise BusError("bad-option", f"Cannot use since: it is {since!r}, expected now, earliest, a duration such as 10m, or a place")


def _address(text):
    if text is None:
        return None
    found = re.fullmatch(r"(?:tcp://)?(\[[0-9a-fA-F:.%]+\]|[^\s:/]+):([0-9]{1,5})", text) if isinstance(text, str) else None
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise BusError("bad-option", f"Cannot use address: it is {text!r}, expected tcp://host:port")
    return f"tcp://{found[1]}:{int(found[2])}"


def _keys(path):
    """Public, secret and server key of a member's file."""
    try:
        with open(path, encoding="utf-8") as file:
            found = dict(re.findall(r"^[ \t]*([a-z-]+)[ \t]*=[ \t]*[\"']?([^\"'\s]{40})[\"']?[ \t]*$", file.read(), re.M))
        return tuple(found[name].encode() for name in ("public-key", "secret-key", "server-key"))
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise BusError("bad-option", f"Cannot use key_file {path}: it lacks what a member needs: {error}") from None


def _check(message):
    if not isinstance(message, dict):
        raise BusError("not-an-object", f"Cannot send message: it is a {type(message).__name__}, not a dict")
    if not isinstance(message.get("type"), str):
        raise BusError("missing-type", "Cannot send message: it has no text in type")


def _encode(message):
    _check(message)
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BusError("not-json", f"Cannot send message: JSON cannot hold it (None stands for a missing number): {error}") from None


def _plain(value):
    """NumPy and pandas values as Python's own."""
    tolist = getattr(value, "tolist", None)
    if tolist is None:
        raise TypeError(f"{type(value).__name__} is no number, text, list or dict")
    return tolist()


def _digest(body):
    return body if len(body) <= 64 else hashlib.blake2b(body, digest_size=32).digest() + b"\0" * 33


def _fits(kind, type):
    return kind == "*" or kind == type or (kind == "visualization" and type == "Visualization")


def _call(handler, value):
    try:
        handler(value)
    except Exception:
        # One mistake must not make a program deaf.
        _log.exception("a handler of the bus failed")


_open = set()


@atexit.register
def _close_all():
    for bus in list(_open):
        bus.close()
