"""Prints the messages that come, and sends one.

It may not hear its own: a subscription takes a moment, and what is sent before it is in place is not heard.

    pip install pyzmq
    python3 examples/python_client.py BROADCAST_ADDRESS RECEIVE_ADDRESS
"""
import json
import sys

import zmq

broadcast_address, receive_address = sys.argv[1:3]
context = zmq.Context()

listener = context.socket(zmq.SUB)
listener.connect(broadcast_address)
listener.subscribe(b"")  # everything

sender = context.socket(zmq.PUSH)
sender.connect(receive_address)
sender.send_json({"type": "ready", "source_pid": 1, "source_id": "python"})

while True:
    message = json.loads(listener.recv())
    print(json.dumps(message), flush=True)
    if message.get("type") == "stop":  # the bus takes any object, also one without a type
        break

sender.close()
listener.close()
context.term()
