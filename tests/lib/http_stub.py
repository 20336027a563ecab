#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Accepts every POST and appends its body to a file: a webhook's other end.

http_stub.py PORT-FILE BODY-FILE|-   (a free port; its number is written to PORT-FILE)"""
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer in two parts waits for the client's delayed acknowledgement, 40 ms

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if sys.argv[2] != "-":
            with open(sys.argv[2], "ab") as file:
                file.write(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".new", "w", encoding="ascii") as file:
    file.write(str(server.server_port))
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
