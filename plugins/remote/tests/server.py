"""An HTTP server of this machine that knows ranges and conditions, counts what it sends, and fails as it is told."""

import hashlib
import re
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EPOCH = "Mon, 01 Jan 2024 00:00:00 GMT"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server.owner
        with server.lock:
            number = len(server.requests)
            server.requests.append((self.path, self.headers.get("Range"), dict(self.headers)))
            server.under_way += 1
            server.most = max(server.most, server.under_way)
            fault = server.faults.pop(0) if server.faults else None
            content = server.files.get(self.path.partition("?")[0])
        try:
            server.turn()
            self.answer(server, content, fault, number)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with server.lock:
                server.under_way -= 1

    do_HEAD = do_GET  # noqa: N815 - what the class that calls it asks for

    def answer(self, server, content, fault, number):
        if isinstance(fault, int):
            return self.send(fault, b"not now", {"Retry-After": server.pause} if fault == 503 else {})
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return self.connection.close()
        if fault == "hang":
            server.released.wait(20)
            self.close_connection = True
            return None
        if callable(fault):
            fault()
            content = server.files.get(self.path.partition("?")[0])
        if isinstance(content, str):
            return self.send(302, b"", {"Location": content})
        if content is None:
            return self.send(404, b"nothing")
        headers = {}
        if server.etags:
            headers["ETag"] = '"' + hashlib.sha256(content).hexdigest()[:16] + '"'
        if server.times:
            headers["Last-Modified"] = server.time
        if server.conditions and self.headers.get("If-Match", headers.get("ETag")) != headers.get("ETag"):
            return self.send(412, b"")
        wanted = re.match(r"bytes=(\d+)-(\d+)$", self.headers.get("Range") or "")
        if wanted is None or not server.ranges:
            return self.send(200, content, headers, fault)
        start, stop = int(wanted[1]), min(int(wanted[2]) + 1, len(content))
        if start >= len(content):
            return self.send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        if fault == "less":
            stop = (start + stop + 1) // 2
        if fault == "elsewhere":
            start += 1
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        return self.send(206, content[start:stop], headers, fault)

    def send(self, status, body, headers=(), fault=None):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "short":
            body = body[: len(body) // 2]
            self.close_connection = True
        elif fault == "stall":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.server.owner.released.wait(20)
            self.close_connection = True
            return
        with self.server.owner.lock:
            self.server.owner.nbytes += len(body)
        self.wfile.write(body)


class Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass


class Server:
    """Files by their path; `faults` are met by the requests that come, in order."""

    def __init__(self):
        self.files, self.requests, self.faults = {}, [], []
        self.nbytes = self.under_way = self.most = 0
        self.ranges, self.etags, self.times, self.conditions = True, True, True, True
        self.time, self.pause = EPOCH, "0"
        self.quiet, self.rounds, self.last = 0.0, 0, 0.0
        self.turns = threading.Condition()
        self.lock, self.released = threading.Lock(), threading.Event()

    def __enter__(self):
        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.owner = self
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.http.shutdown()
        self.http.server_close()

    def put(self, content, path="/a.fits"):
        self.files[path] = bytes(content)
        return self.url + path

    def turn(self):
        """With `quiet`, hold a request until no other has come for so long; those let go together are a round."""
        if not self.quiet:
            return
        with self.turns:
            self.last = time.monotonic()
            mine = self.rounds
            while self.rounds == mine:
                left = self.last + self.quiet - time.monotonic()
                if left <= 0:
                    self.rounds += 1
                    self.turns.notify_all()
                else:
                    self.turns.wait(left)

    def reset(self):
        """Forget what was asked for."""
        with self.lock:
            self.requests.clear()
            self.nbytes = self.most = self.rounds = 0

    @property
    def count(self):
        return len(self.requests)
