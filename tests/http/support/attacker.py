"""Clients that do harm: MODE PORT COUNT. Says "done" when it has done its worst, and holds what it has until a line comes."""
import socket
import struct
import sys

mode, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
host = "Host: 127.0.0.1:%d\r\n" % port
upgrade = (
    "GET /messages/ws%s HTTP/1.1\r\n" + host + "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
held = []
cut = 0


def connect(receive=None):
    connection = socket.socket()
    if receive is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    connection.settimeout(5)
    connection.connect(("127.0.0.1", port))
    return connection


def web_socket(receive=None):
    connection = connect(receive)
    connection.sendall((upgrade % "").encode())
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(1)
        if not more:
            raise OSError("it was refused")
        head += more
    held.append(connection)
    return connection


def frame(opcode, final, size):
    return bytes([opcode | (0x80 if final else 0), 0xFF]) + struct.pack(">Q", size) + bytes(4) + b"a" * size


PONG = b"\x8a\x80\0\0\0\0"

for i in range(count):
    try:
        if mode == "resets":
            connection = connect()
            connection.sendall((upgrade % "").encode())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        elif mode == "unfinished":
            web_socket().sendall(b"\x81\xff" + struct.pack(">Q", 62 << 20) + bytes(4) + b"a" * (61 << 20))
        elif mode == "endless":
            connection = web_socket()
            connection.sendall(frame(1, False, 1000))
            for _ in range(3000):
                connection.sendall(frame(0, False, 1_000_000) + PONG)
        elif mode == "deaf":
            connection = web_socket()
            connection.sendall(b"\x81\x81\0\0\0\0[")
            connection.sendall(frame(1, False, 1000))
            while True:
                connection.sendall(frame(0, False, 1000))
        elif mode == "bodies":
            connection = connect()
            held.append(connection)
            head = "POST /messages HTTP/1.1\r\n" + host
            head += "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
            connection.sendall(head.encode() + b"a" * 900_000)
        elif mode == "histories":
            connection = connect(4096)
            held.append(connection)
            connection.sendall(("GET /messages/history?limit=1000 HTTP/1.1\r\n" + host + "\r\n").encode())
        elif mode == "streams":
            connection = connect(4096)
            held.append(connection)
            connection.sendall(("GET /messages/stream?since=earliest HTTP/1.1\r\n" + host + "\r\n").encode())
            connection.recv(10)
        elif mode == "sockets":
            connection = connect(4096)
            held.append(connection)
            connection.sendall((upgrade % "?since=earliest").encode())
            connection.recv(10)
        elif mode == "silent":
            held.append(connect())
    except OSError:
        cut += 1
print("done", cut, flush=True)
sys.stdin.readline()
