"""Ports and plain requests on loopback, for the scripts beside this file."""
import socket
import time


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def wait_for(port):
    for _ in range(400):
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens at port {port}")


def http_get(port, path):
    """The body of the answer, as text."""
    with socket.create_connection(("127.0.0.1", port), 5) as it:
        it.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
        answer = b""
        while piece := it.recv(65536):
            answer += piece
    return answer.partition(b"\r\n\r\n")[2].decode()
