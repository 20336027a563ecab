#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A proxy before an HTTP server that takes no large request, as many do.

http-limit.py PORT-FILE UPSTREAM-URL MAX   answers 413 to each request whose body is longer than MAX bytes"""
import http.client
import os
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port_file, upstream, longest = sys.argv[1], urllib.parse.urlsplit(sys.argv[2]), int(sys.argv[3])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer in two parts waits for the client's delayed acknowledgement, 40 ms

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if len(body) > longest:
            self.answer(413, b"")
            return
        server = http.client.HTTPConnection(upstream.netloc)
        server.request(self.command, self.path, body, {"Content-Type": self.headers.get("Content-Type", "application/json")})
        answer = server.getresponse()
        self.answer(answer.status, answer.read())
        server.close()

    do_GET = do_POST = do_PUT = do_DELETE = handle_request

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w", encoding="ascii") as file:
    file.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
