#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A proxy before an index server, where the answer to a _bulk request gets lost.

http-lost.py PORT-FILE UPSTREAM-URL N STREAM   the Nth _bulk request is taken by the server, then STREAM is rolled over, and the
                                               connection is closed without an answer; all others pass"""
import http.client
import os
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port_file, upstream, lost, stream = sys.argv[1], urllib.parse.urlsplit(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
seen = 0


def ask(method, path, body, kind):
    server = http.client.HTTPConnection(upstream.netloc)
    server.request(method, path, body, {"Content-Type": kind})
    answer = server.getresponse()
    result = answer.status, answer.read()
    server.close()
    return result


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_request(self):
        global seen
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, answer = ask(self.command, self.path, body, self.headers.get("Content-Type", "application/json"))
        if self.path.startswith("/_bulk"):
            seen += 1
            if seen == lost:
                ask("POST", f"/{stream}/_rollover", b"", "application/json")
                self.close_connection = True
                return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = handle_request

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w", encoding="ascii") as file:
    file.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
