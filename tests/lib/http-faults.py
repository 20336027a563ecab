#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A proxy before an HTTP server, behind which all goes wrong that can.

http-faults.py FOLDER UPSTREAM-URL SEED [PORT]

FOLDER/port    is written once it listens.
FOLDER/faults  gets the name of each fault, one a line, before it happens.
FOLDER/calm    while it is there, nothing goes wrong.

Every third request on average meets the next fault of a list, so that each comes as often: 429, 503, 413 for what is longer than a few
documents; garbage, a gzip bomb, half an answer, one cut within its header; a connection that is cut, an answer that never comes. Half of
them come before the server has got the request, half after it has done it."""
import gzip
import http.client
import os
import random
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder, upstream, rng = sys.argv[1], urllib.parse.urlsplit(sys.argv[2]), random.Random(int(sys.argv[3]))
KINDS = ["429", "503", "413", "garbage", "bomb", "half", "head", "cut", "hang"]
LONGEST = 4000
lock = threading.Lock()
left = []
BOMB = gzip.compress(b"\0" * (256 << 20), 9)


def next_fault(size):
    """The fault of this request, and whether the server gets it all the same."""
    with lock:
        if os.path.exists(os.path.join(folder, "calm")) or rng.random() > 0.33:
            return None, True
        if not left:
            left.extend(rng.sample(KINDS, len(KINDS)))
        kind = left[0]
        if kind == "413" and size <= LONGEST:
            return None, True
        left.pop(0)
        with open(os.path.join(folder, "faults"), "a", encoding="ascii") as file:
            file.write(kind + "\n")
        return kind, kind != "413" and rng.random() < 0.5


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def ask(self, body):
        server = http.client.HTTPConnection(upstream.netloc, timeout=60)
        try:
            server.request(self.command, self.path, body, {"Content-Type": self.headers.get("Content-Type", "application/json")})
            answer = server.getresponse()
            return answer.status, answer.read()
        except OSError:
            return None, b""
        finally:
            server.close()

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind, goes_on = next_fault(len(body))
        status, result = self.ask(body) if goes_on else (200, b'{"took":1}')
        self.close_connection |= kind is not None or status is None
        if status is None or kind == "cut":
            return
        if kind is None:
            self.answer(status, result, [("Content-Type", "application/json")])
        elif kind in ("429", "503", "413"):
            self.answer(int(kind), b"", [("Retry-After", "0")])
        elif kind == "garbage":
            self.answer(200, b"\x80\xff<html>\0{[" + rng.randbytes(100))
        elif kind == "bomb":
            self.answer(200, BOMB, [("Content-Type", "application/json"), ("Content-Encoding", "gzip")])
        elif kind == "half":
            self.send_response(200)
            self.send_header("Content-Length", str(len(result)))
            self.end_headers()
            self.wfile.write(result[:len(result) // 2])
        elif kind == "head":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        else:
            self.rfile.read(1)  # until the client has had enough

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_request

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # the client went away


server = Server(("127.0.0.1", int(sys.argv[4]) if len(sys.argv) > 4 else 0), Handler)
with open(os.path.join(folder, "port.new"), "w", encoding="ascii") as file:
    file.write(str(server.server_port))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
