#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""https-server.py PORT_FILE CERTIFICATE BODIES [CLIENTS]: takes POSTs over TLS, and appends their bodies, one a line, to BODIES. With CLIENTS,
only from who shows a certificate that this one has signed."""
import http.server
import os
import ssl
import sys

port_file, certificate, bodies = sys.argv[1:4]
clients = sys.argv[4] if len(sys.argv) > 4 else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with open(bodies, "ab") as file:
            file.write(body.rstrip(b"\n") + b"\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
if clients:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(clients)
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(port_file + ".tmp", "w") as file:
    file.write(str(server.server_port))
os.rename(port_file + ".tmp", port_file)
server.serve_forever()
