"""A sender or a subscriber of libzmq's at full speed, for tests of pace. It says "ready", and a line of JSON when it is done.

    pace_peer.py send ADDRESS {"name": "0", "count": 300000, "hwm": 1000, "types": "a", "size": 100, "nonblocking": false, ...}
    pace_peer.py listen ADDRESS {"hwm": 1000, "senders": 1, "topics": [""], "sleepy": false, ...}

A sender begins when it is told so by a line of its input, and ends when all has left it, unless it "stays" until its input ends.
"""
import json
import sys
import time

import zmq

END = b'{"type":"end"'


def make_socket(kind, address, options):
    socket = zmq.Context().socket(kind)
    if options.get("hwm") is not None:
        socket.set_hwm(options["hwm"])
    if "heartbeat" in options:
        socket.setsockopt(zmq.HEARTBEAT_IVL, options["heartbeat"])
    if "serverKey" in options:
        socket.curve_serverkey = options["serverKey"].encode()
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
    if kind == zmq.SUB:
        for topic in options.get("topics", [""]):
            socket.subscribe(topic)
    socket.connect(address)
    return socket


def say(value):
    print(json.dumps(value), flush=True)


def send(address, options):
    socket = make_socket(zmq.PUSH, address, options)
    count, types = options["count"], options.get("types", "a")
    head, size = '{"type":"%s","s":"%s","n":"', options.get("size", 100)
    heads = [(head % (kind, options["name"])).encode() for kind in types]
    pad = b'","x":"' + b"x" * (size - len(heads[0]) - 18) + b'"}'
    bodies = [start + b"%09d" + pad for start in heads]
    say("ready")
    sys.stdin.readline()
    # Long enough for a first heartbeat.
    time.sleep(options.get("heartbeat", 0) * 1.5 / 1000)
    refused, begun = 0, time.monotonic()
    for n in range(count):
        body = bodies[n % len(bodies)] % n
        if not options.get("nonblocking"):
            socket.send(body)
            continue
        while True:
            try:
                socket.send(body, zmq.NOBLOCK)
                break
            except zmq.Again:
                refused += 1
                socket.poll(1000, zmq.POLLOUT)
    socket.send(END + b"}")
    taken = time.monotonic() - begun
    say({"refused": refused, "seconds": taken})
    if options.get("stays"):
        sys.stdin.read()


def listen(address, options):
    socket = make_socket(zmq.SUB, address, options)
    sleepy, ends = options.get("sleepy", False), options.get("senders", 1)
    step, nap = options.get("step", 1), options.get("napMs", 0) / 1000
    say("ready")
    count = gaps = wrong = 0
    last = {}
    while ends > 0:
        message = socket.recv()
        if message.startswith(END):
            ends -= 1
            continue
        sender, n = message[17], int(message[25:34])
        before = last.get(sender)
        if before is not None and n != before + step:
            if n > before:
                gaps += 1
            else:
                wrong += 1
        last[sender] = n
        count += 1
        if sleepy and count % 1000 == 0:
            time.sleep(0.002)
        if nap > 0 and count % 200 == 0:
            time.sleep(nap)
    say({"count": count, "gaps": gaps, "wrong": wrong})


role, address, options = sys.argv[1:]
{"send": send, "listen": listen}[role](address, json.loads(options))
