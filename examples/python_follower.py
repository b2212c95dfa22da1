"""Prints every message of the bus with its place, goes on where it was after a cut, and says what is missing.

    pip install pyzmq
    python3 examples/python_follower.py BROADCAST_ADDRESS [PLACE]
"""
import json
import sys
import time

import zmq

MARK = b"\0feed/1 "
address = sys.argv[1]
place = sys.argv[2] if len(sys.argv) > 2 else "now"
context = zmq.Context()


def told(new_place):
    """What lies between our place and the one that the broker goes on from."""
    if place in ("now", "earliest"):
        return
    (life, number), (new_life, new_number) = place.split("."), new_place.split(".")
    missed = int(new_number) - int(number) if life == new_life else "unknown"
    if missed != 0:
        print("missed", missed, flush=True)


while True:  # once for each connection: libzmq alone would ask for the first place again
    listener = context.socket(zmq.SUB)
    listener.reconnect_ivl = -1
    events = listener.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED)
    listener.subscribe(MARK + place.encode())
    listener.subscribe(b"")  # everything, the broker's notes among it
    listener.connect(address)
    has_place = False
    while listener.poll(100) or not events.poll(0):
        if not listener.poll(0):
            continue
        frame = listener.recv(copy=False).bytes
        if frame.startswith(MARK):
            note = json.loads(frame[len(MARK):])
            if "place" in note:
                told(note["place"])
                place, has_place = note["place"], True
        elif has_place:  # what comes before comes again
            life, number = place.split(".")
            place = f"{life}.{int(number) + 1}"
            print(place, frame.decode(), flush=True)
    listener.disable_monitor()
    listener.close(0)
    time.sleep(0.1)
