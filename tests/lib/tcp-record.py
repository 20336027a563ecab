#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tcp-record.py PORT_FILE RECORD PORT: passes connections on to PORT, and keeps what clients send in RECORD.

The port that it listens on is written to PORT_FILE."""
import os
import socket
import sys
import threading

port_file, record, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
out = open(record, "ab", buffering=0)


def pass_on(source, target, keep):
    try:
        while data := source.recv(65536):
            if keep:
                out.write(data)
            target.sendall(data)
    except OSError:
        pass
    for one in (source, target):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


listener = socket.create_server(("127.0.0.1", 0))
with open(port_file + ".tmp", "w") as file:
    file.write(str(listener.getsockname()[1]))
os.rename(port_file + ".tmp", port_file)
while True:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=pass_on, args=(client, server, True), daemon=True).start()
    threading.Thread(target=pass_on, args=(server, client, False), daemon=True).start()
