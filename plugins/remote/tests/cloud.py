"""What Google Cloud Storage and Azure Blob Storage answer to whoever reads: as much as gcsfs and adlfs ask for."""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from server import Quiet

CHANGED = "Mon, 01 Jan 2024 00:00:00 GMT"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        content = self.server.content
        etag = hashlib.sha256(content).hexdigest()[:16]
        path = unquote(urlsplit(self.path).path)
        wanted = re.match(r"bytes=(\d+)-(\d+)$", self.headers.get("Range") or self.headers.get("x-ms-range") or "")
        about = {"ETag": f'"{etag}"', "Last-Modified": CHANGED, "x-ms-creation-time": CHANGED}
        about["x-ms-blob-type"] = "BlockBlob"
        if path == "/storage/v1/b/night/o/a.fits":
            size, time = str(len(content)), "2024-01-01T00:00:00Z"
            found = {"kind": "storage#object", "name": "a.fits", "bucket": "night", "size": size, "etag": etag}
            body = json.dumps(found | {"generation": etag, "updated": time, "timeCreated": time}).encode()
            self.send(200, body, {"Content-Type": "application/json"})
        elif path not in ("/download/storage/v1/b/night/o/a.fits", "/account/night/a.fits"):
            self.send(404, b"{}", {"Content-Type": "application/json"})
        elif self.headers.get("If-Match", about["ETag"]) != about["ETag"]:
            self.send(412, b"", {})
        elif wanted:
            start, stop = int(wanted[1]), min(int(wanted[2]) + 1, len(content))
            about["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            self.send(206, content[start:stop], about)
        else:
            self.send(200, content, about)

    do_HEAD = do_GET  # noqa: N815 - what the class that calls it asks for

    def send(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.server.nbytes += len(body)
            self.wfile.write(body)


class Cloud:
    """One object, ``a.fits`` of the bucket or container ``night``, of both services."""

    def __init__(self, content):
        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.content, self.http.nbytes = content, 0
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
