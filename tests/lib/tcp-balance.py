#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tcp-balance.py PORT_FILE TURN_FILE PORT OTHER: passes connections on to two servers in turn, as a balancer does.

TURN_FILE has a name and a number: of the connections from then on, so many go to PORT, and the others to OTHER. Another name
begins to count anew. The port that it listens on is written to PORT_FILE."""
import os
import socket
import sys
import threading

port_file, turn_file, port, other = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def pass_on(source, target):
    try:
        while data := source.recv(65536):
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
turn, seen = None, 0
while True:
    client, _ = listener.accept()
    with open(turn_file) as file:
        name, number = file.read().split()
    turn, seen = name, seen + 1 if name == turn else 1
    server = socket.create_connection(("127.0.0.1", port if seen <= int(number) else other))
    threading.Thread(target=pass_on, args=(client, server), daemon=True).start()
    threading.Thread(target=pass_on, args=(server, client), daemon=True).start()
