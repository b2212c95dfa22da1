"""A NATS client that is not ours: Debian's C library, libnats3.4, told line by line what to do.

publish SUBJECT TEXT | store SUBJECT TEXT (into a stream, which confirms it) | listen SUBJECT | read SUBJECT (a stream, from its
first message on) | next. Each is answered by one line: "ok", or for next a JSON list of subject, text and the value of Bus-From.
"""
import ctypes
import json
import os
import sys

C = ctypes.CDLL("libnats.so.3.4")
for name in ("natsMsg_GetSubject", "natsMsg_GetData"):
    getattr(C, name).restype = ctypes.c_void_p


def check(status):
    if status != 0:
        raise SystemExit(f"libnats says {status}")


def made(make):
    out = ctypes.c_void_p()
    check(make(ctypes.byref(out)))
    return out


def text_at(pointer):
    return ctypes.string_at(pointer).decode()


connection = made(lambda out: C.natsConnection_ConnectTo(out, sys.argv[1].encode()))
stream = made(lambda out: C.natsConnection_JetStream(out, connection, None))
subscription = None


def answer(line):
    global subscription
    what, _, rest = line.partition(" ")
    subject, _, text = rest.partition(" ")
    to, body = subject.encode(), text.encode()
    if what == "publish":
        check(C.natsConnection_Publish(connection, to, body, len(body)))
        check(C.natsConnection_Flush(connection))
    elif what == "store":
        C.jsPubAck_Destroy(made(lambda out: C.js_Publish(out, stream, to, body, len(body), None, None)))
    elif what == "listen":
        subscription = made(lambda out: C.natsConnection_SubscribeSync(out, connection, to))
        check(C.natsConnection_Flush(connection))
    elif what == "read":
        subscription = made(lambda out: C.js_SubscribeSync(out, stream, to, None, None, None))
    else:
        message = made(lambda out: C.natsSubscription_NextMsg(out, subscription, ctypes.c_int64(30_000)))
        value = ctypes.c_void_p()
        has_from = C.natsMsgHeader_Get(message, b"Bus-From", ctypes.byref(value)) == 0
        data = ctypes.string_at(C.natsMsg_GetData(message), C.natsMsg_GetDataLength(message))
        heard = [text_at(C.natsMsg_GetSubject(message)), data.decode(), text_at(value) if has_from else None]
        C.natsMsg_Destroy(message)
        return json.dumps(heard)
    return "ok"


print("ok", flush=True)
for line in sys.stdin:
    print(answer(line.rstrip("\n")), flush=True)
os._exit(0)  # Its threads end with the process.
