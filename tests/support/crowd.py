"""So many followers that ask for everything the broker holds and then do not read: crowd.py ADDRESS COUNT. Small receive buffers, so
that what waits waits in the broker. "read N" makes the first N read up to the message that has the-end in it."""
import socket
import sys

host, port = sys.argv[1].removeprefix("tcp://").split(":")
count = int(sys.argv[2])
READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
ASK = b"\x09SUBSCRIBE\x00feed/1 earliest"


def exactly(peer, size):
    taken = b""
    while len(taken) < size:
        taken += peer.recv(size - len(taken))
    return taken


crowd = []
for _ in range(count):
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect((host, int(port)))
    peer.sendall(b"\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL" + bytes(48) + bytes([4, len(READY)]) + READY)
    exactly(peer, 64)
    exactly(peer, exactly(peer, 2)[1])
    peer.sendall(bytes([4, len(ASK)]) + ASK)
    crowd.append(peer)
print("ready", flush=True)

for line in sys.stdin:
    for peer in crowd[: int(line.split()[1])]:
        rest = b""
        while b"the-end" not in rest:
            rest = rest[-16:] + peer.recv(1 << 20)
    print("done", flush=True)
