#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mysql-liar.py FOLDER PORT HOW [NUMBER]: passes connections on to the server at PORT, but for one answer.

HOW: nothing; nulls (each value of the NUMBER-th answer with rows is NULL), narrow (it has one column), empty (no rows), endless
(its rows never end), damaged (its first row is none, and then nothing comes any more); month (in the rows of prepared
statements, 2026-11-21 is in month 13). Or, instead of the answer to the NUMBER-th command: error; cut (the connection is
closed). The port that it listens on is in FOLDER/port, the number of answers so far in FOLDER/answers, that of commands in
FOLDER/commands, and the text of the one that had no true answer in FOLDER/refused."""
import os
import socket
import struct
import sys
import threading

folder, port, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
wanted = int(sys.argv[4]) if len(sys.argv) > 4 else 0
answers, commands, lock = 0, 0, threading.Lock()


def write(name, text):
    with open(f"{folder}/{name}.tmp", "w") as file:
        file.write(str(text))
    os.rename(f"{folder}/{name}.tmp", f"{folder}/{name}")


def receive(stream):
    head = stream.read(4)
    if len(head) < 4:
        raise EOFError
    return head[3], stream.read(head[0] | head[1] << 8 | head[2] << 16)


def packet(number, body):
    return struct.pack("<I", len(body))[:3] + bytes([number & 255]) + body


def greeting(body):
    """Without TLS and compression, with an EOF packet after the columns, and without MariaDB's own capabilities."""
    at = body.index(b"\0", 1) + 1 + 4 + 8 + 1
    low, character_set, status, high = struct.unpack("<HBHH", body[at : at + 7])
    return body[:at] + struct.pack("<HBHH", low & ~0x820, character_set, status, high & ~0x100) + body[at + 7 : at + 14] + b"\0\0\0\0" + body[at + 18 :]


def lie(client, columns, rows):
    if how == "endless":
        client.sendall(packet(1, bytes([1])) + packet(2, columns[0]) + packet(3, b"\xfe\0\0\2\0"))
        number, row = 4, b"\xfd" + struct.pack("<I", 60000)[:3] + b"x" * 60000
        while True:
            client.sendall(packet(number, row))
            number += 1
    if how == "damaged":
        client.sendall(packet(1, bytes([len(columns)])))
        for number, column in enumerate(columns, 2):
            client.sendall(packet(number, column))
        client.sendall(packet(len(columns) + 2, b"\xfe\0\0\2\0") + packet(len(columns) + 3, b"\xfd\xff\xff\xff" + b"x"))
        while client.recv(65536):
            pass
        raise EOFError
    if how == "nulls":
        rows = [b"\xfb" * len(columns) for _ in rows]
    elif how == "narrow":
        columns, rows = columns[:1], [b"\x01x" for _ in rows]
    elif how == "empty":
        rows = []
    return columns, rows


def answer(client, server, command, number, body):
    global answers
    if body[:1] in (b"\0", b"\xff"):
        client.sendall(packet(number, body))
        return
    with lock:
        answers += 1
        mine = answers == wanted
        with open(f"{folder}/questions", "ab") as file:
            file.write(b" ".join(command[1:].split()) + b"\n")
        write("answers", answers)
    columns = [receive(server)[1] for _ in range(body[0])]  # fewer than 251
    end, rows = receive(server)[1], []
    while True:
        _, last = receive(server)
        if last[:1] in (b"\xfe", b"\xff") and len(last) < 9 or last[:1] == b"\xff":
            break
        rows.append(last)
    if mine:
        columns, rows = lie(client, columns, rows)
    if how == "month":
        rows = [row.replace(b"\xea\x07\x0b\x15", b"\xea\x07\x0d\x15") for row in rows]
    parts = [bytes([len(columns)]), *columns, end, *rows, last]
    client.sendall(b"".join(packet(i + 1, part) for i, part in enumerate(parts)))


def is_due():
    """Is this the command that has no true answer?"""
    global commands
    with lock:
        commands += 1
        write("commands", commands)
        return commands == wanted and how in ("error", "cut")


def serve(client):
    upstream = socket.create_connection(("127.0.0.1", port))
    tool, server = client.makefile("rb"), upstream.makefile("rb")
    try:
        number, body = receive(server)
        client.sendall(packet(number, greeting(body)))
        while body[:1] not in (b"\0", b"\xff") or number == 0:
            number, body = receive(tool)
            upstream.sendall(packet(number, body))
            number, body = receive(server)
            client.sendall(packet(number, body))
        while True:
            number, command = receive(tool)
            if command[:1] not in (b"\x01", b"\x19") and is_due():  # the end, and of a statement, have no answer
                write("refused", command[1:].decode("utf-8", "replace"))
                if how == "cut":
                    raise EOFError
                client.sendall(packet(1, b"\xff" + struct.pack("<H", 1105) + b"#HY000a lie"))
                continue
            upstream.sendall(packet(number, command))
            if command[:1] == b"\x19":  # a statement is closed: no answer
                continue
            if command[:1] == b"\x12":  # a dump: events up to the end
                while data := server.read1(65536):
                    client.sendall(data)
            number, body = receive(server)
            if command[:1] == b"\x16" and body[:1] == b"\0":  # prepared: parameters and columns, each with an EOF packet after them
                parts = [(number, body)]
                for n in struct.unpack("<HH", body[5:9])[::-1]:
                    parts += [receive(server) for _ in range(n + 1 if n else 0)]
                client.sendall(b"".join(packet(*part) for part in parts))
                continue
            answer(client, server, command, number, body)
    except (OSError, EOFError):
        pass
    client.close()
    upstream.close()


listener = socket.create_server(("127.0.0.1", 0))
write("answers", 0)
write("commands", 0)
write("port", listener.getsockname()[1])
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
