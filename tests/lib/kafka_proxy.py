#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What may listen where a broker is looked for; its port is in the file PORT.

kafka_proxy.py hang HOST:PORT OPEN PORT   hangs up at once until the file OPEN is there, and passes on to the broker then
kafka_proxy.py http PORT                  a server of HTTP, to which every request is a bad one"""
import os
import socket
import sys
import threading


def listen(path):
    server = socket.create_server(("127.0.0.1", 0))
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(str(server.getsockname()[1]))
    os.rename(path + ".new", path)
    return server


def pipe(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for one in (a, b):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def hang(address, is_open, path):
    host, port = address.split(":")
    server = listen(path)
    while True:
        one = server.accept()[0]
        if not os.path.exists(is_open):
            one.close()
            continue
        other = socket.create_connection((host, int(port)))
        for pair in ((one, other), (other, one)):
            threading.Thread(target=pipe, args=pair, daemon=True).start()


def http(path):
    server = listen(path)
    while True:
        one = server.accept()[0]
        one.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        one.close()


if __name__ == "__main__":
    {"hang": hang, "http": http}[sys.argv[1]](*sys.argv[2:])
