#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""distant.py PORT_FILE MS TARGET: a server that is far away: what passes, either way, arrives MS milliseconds later.

TARGET is a port of 127.0.0.1, or a socket's path. The port that it listens on is written to PORT_FILE. SIGUSR1 cuts all
connections, as a proxy does that is started again."""
import os
import queue
import signal
import socket
import sys
import threading
import time

port_file, delay, target = sys.argv[1], int(sys.argv[2]) / 1000, sys.argv[3]


def take(source, pieces):
    try:
        while data := source.recv(65536):
            pieces.put((time.monotonic() + delay, data))
    except OSError:
        pass
    pieces.put((time.monotonic() + delay, b""))


def give(pieces, out):
    while True:
        when, data = pieces.get()
        time.sleep(max(0.0, when - time.monotonic()))
        try:
            if not data:
                out.shutdown(socket.SHUT_WR)
                return
            out.sendall(data)
        except OSError:
            return


def connect():
    if target.isdigit():
        return socket.create_connection(("127.0.0.1", int(target)))
    server = socket.socket(socket.AF_UNIX)
    server.connect(target)
    return server


connections = []


def cut(_signal, _frame):
    while connections:
        try:
            connections.pop().shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


signal.signal(signal.SIGUSR1, cut)
listener = socket.create_server(("127.0.0.1", 0))
with open(port_file + ".new", "w", encoding="ascii") as file:
    file.write(str(listener.getsockname()[1]))
os.rename(port_file + ".new", port_file)
while True:
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = connect()
    connections += [client, server]
    for source, out in ((client, server), (server, client)):
        pieces = queue.Queue(256)
        threading.Thread(target=take, args=(source, pieces), daemon=True).start()
        threading.Thread(target=give, args=(pieces, out), daemon=True).start()
