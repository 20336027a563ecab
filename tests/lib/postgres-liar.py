#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""postgres-liar.py FOLDER SOCKET HOW [NUMBER]: passes connections on to the server at SOCKET, but for one answer.

HOW: nothing; pooler (the process numbers are its own); rows (after the NUMBER-th description of rows they never end), thin (all of them NULLs), results (one after the other, each complete), notices,
settings (other names, each with a value), notifications, copy (a COPY that nobody asked for); or no-fork (each connection gets
the error of a server that cannot start a process for it), no-server (that of PgBouncer when its server is away), greeting (a login with notices that never end), cut-export (the session that has made a slot ends before anybody takes its
snapshot), relations (after the first table that the stream describes NUMBER others, each of a megabyte). Or, instead of the
answer to the NUMBER-th command: error; cut (the connection is closed). The port that it listens on is in FOLDER/port, the number
of answers so far in FOLDER/answers, that of commands in FOLDER/commands, and the text of the one that had no true answer in
FOLDER/refused."""
import os
import socket
import struct
import sys
import threading

folder, path, how = sys.argv[1:4]
wanted = int(sys.argv[4]) if len(sys.argv) > 4 else 0
answers, commands, lock = 0, 0, threading.Lock()


def write(name, text):
    with open(f"{folder}/{name}.tmp", "w") as file:
        file.write(str(text))
    os.rename(f"{folder}/{name}.tmp", f"{folder}/{name}")


def message(kind, body):
    return kind + struct.pack(">I", len(body) + 4) + body


def lie(client, description):
    columns = struct.unpack(">H", description[:2])[0]
    row = message(b"D", struct.pack(">H", columns) + (struct.pack(">I", 1000) + b"x" * 1000) * columns)
    if how == "thin":
        row = message(b"D", struct.pack(">H", columns) + b"\xff" * 4 * columns) * 100
    if how == "copy":
        client.sendall(message(b"H", b"\0\0\0") + message(b"Z", b"I"))
        return
    head, block = message(b"T", description), row * 100
    if how == "results":
        head, block = b"", (message(b"T", description) + message(b"C", b"SELECT 0\0")) * 1000
    elif how == "notices":
        head, block = b"", message(b"N", b"SWARNING\0C01000\0Mx\0\0") * 1000
    elif how == "notifications":
        head, block = b"", message(b"A", struct.pack(">I", 1) + b"channel\0" + b"x" * 7000 + b"\0") * 10
    client.sendall(head)
    number = 0
    while True:
        if how == "settings":
            block = b"".join(message(b"S", b"s%d\0" % (number + i) + b"x" * 20000 + b"\0") for i in range(10))
            number += 10
        client.sendall(block)


def startup(client, upstream):
    """Without encryption."""
    while True:
        head = client.read(4)
        body = client.read(struct.unpack(">I", head)[0] - 4)
        if len(body) == 4 and struct.unpack(">I", body)[0] in (80877103, 80877104):
            yield b"N"
            continue
        upstream.sendall(head + body)
        return


def is_due():
    """Is this the command that has no true answer?"""
    global commands
    with lock:
        commands += 1
        write("commands", commands)
        return commands == wanted and how in ("error", "cut")


def forward(stream, client, upstream):
    try:
        while len(head := stream.read(5)) == 5:
            body = stream.read(struct.unpack(">I", head[1:])[0] - 4)
            if head[:1] not in (b"Q", b"P") or not is_due():
                upstream.sendall(head + body)
                continue
            write("refused", body.strip(b"\0").decode("utf-8", "replace"))
            while how == "error" and head[:1] == b"P":  # what belongs to it, up to Sync
                head = stream.read(5)
                stream.read(struct.unpack(">I", head[1:])[0] - 4)
                if head[:1] == b"S":
                    break
                head = b"P"
            if how == "cut":
                client.shutdown(socket.SHUT_RDWR)
                break
            client.sendall(message(b"E", b"SERROR\0CXX000\0Ma lie\0\0") + message(b"Z", b"I"))
        upstream.shutdown(socket.SHUT_WR)
    except (OSError, struct.error):
        pass


def serve(client):
    global answers
    upstream = socket.socket(socket.AF_UNIX)
    try:
        upstream.connect(path)
        tool, server = client.makefile("rb"), upstream.makefile("rb")
        for refusal in startup(tool, upstream):
            client.sendall(refusal)
        if how == "no-fork":
            client.sendall(b"Ecould not fork new process for connection: Cannot allocate memory\n\0")
            raise EOFError
        if how == "no-server":
            client.sendall(message(b"E", b"SFATAL\0C08P01\0Mquery_wait_timeout\0\0"))
            raise EOFError
        if how == "greeting":
            client.sendall(message(b"R", struct.pack(">I", 0)))
        while how == "greeting":
            client.sendall(message(b"N", b"SWARNING\0C01000\0M" + b"x" * 20000 + b"\0\0") * 10)
        exported = described = False
        threading.Thread(target=forward, args=(tool, client, upstream), daemon=True).start()
        while len(head := server.read(5)) == 5:
            body = server.read(struct.unpack(">I", head[1:])[0] - 4)
            if how == "cut-export" and head[:1] == b"T" and b"snapshot_name\0" in body:
                exported = True
            if exported and head[:1] == b"Z":  # the server drops the snapshot with the session, and hangs up then
                upstream.shutdown(socket.SHUT_WR)
                server.read()
            if head[:1] == b"T":
                with lock:
                    answers += 1
                    mine = answers == wanted
                    write("answers", answers)
                if mine and how not in ("nothing", "pooler", "error", "cut"):
                    lie(client, body)
                    continue
            if how == "pooler" and head[:1] == b"K":
                body = struct.pack(">I", 77) + body[4:]
            client.sendall(head + body)
            if how == "relations" and head[:1] == b"d" and body[:1] == b"w" and body[25:26] == b"R" and not described:
                described = True
                for oid in range(100000, 100000 + wanted):
                    relation = b"R" + struct.pack(">I", oid) + b"others\0" + b"x" * 1000000 + b"\0d\0\0"
                    client.sendall(message(b"d", body[:25] + relation))
    except (OSError, EOFError, struct.error):
        pass
    client.close()
    upstream.close()


listener = socket.create_server(("127.0.0.1", 0))
write("answers", 0)
write("commands", 0)
write("port", listener.getsockname()[1])
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
