#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What may listen where a broker is looked for; its port is in the file PORT.

kafka_proxy.py hang HOST:PORT OPEN PORT   hangs up at once until the file OPEN is there, and passes on to the broker then
kafka_proxy.py http PORT                  a server of HTTP, to which every request is a bad one
kafka_proxy.py uncompressed ADDRESS PORT  passes on to the broker that the file ADDRESS names, and hides the first versions of Produce, by
                                          which some clients tell whether a broker takes what is compressed"""
import os
import socket
import struct
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


def frames(one):
    with one.makefile("rb") as stream:
        while len(head := stream.read(4)) == 4:
            yield head, stream.read(struct.unpack(">i", head)[0])


def note_requests(one, other, asked):
    for head, body in frames(one):
        key, version, number = struct.unpack(">hhi", body[:8])
        if key == 18:  # ApiVersions
            asked[number] = version
        other.sendall(head + body)
    other.shutdown(socket.SHUT_RDWR)


def hide_versions(one, other, asked):
    for head, body in frames(other):
        body = bytearray(body)
        version = asked.pop(struct.unpack(">i", body[:4])[0], None)
        if version is not None and body[4:6] == b"\0\0":
            compact = version >= 3
            at, size = (7, 7) if compact else (10, 6)  # fewer than 128 of them
            count = body[6] - 1 if compact else struct.unpack(">i", body[6:10])[0]
            for i in range(count):
                if body[at + i * size:at + i * size + 2] == b"\0\0":  # Produce
                    body[at + i * size + 2:at + i * size + 4] = b"\0\3"
        one.sendall(head + bytes(body))
    one.shutdown(socket.SHUT_RDWR)


def quietly(work, *args):
    try:
        work(*args)
    except OSError:
        pass


def uncompressed(address, path):
    server = listen(path)
    while True:
        one = server.accept()[0]
        if not os.path.exists(address):
            one.close()
            continue
        with open(address, encoding="ascii") as file:
            host, port = file.read().strip().split(":")
        other = socket.create_connection((host, int(port)))
        asked = {}
        for work in (note_requests, hide_versions):
            threading.Thread(target=quietly, args=(work, one, other, asked), daemon=True).start()


def http(path):
    server = listen(path)
    while True:
        one = server.accept()[0]
        one.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        one.close()


if __name__ == "__main__":
    {"hang": hang, "http": http, "uncompressed": uncompressed}[sys.argv[1]](*sys.argv[2:])
