#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A second writer of logs (cdc-log(5)), so that verify is not asked about its own work alone.

log_writer.py FOLDER [--segments N] [--batches N] [--rows N] [--people N] [--redactable] [--packed] [--sealed]

Rows of the people 0 to N - 1 in turn, in the table public.users, of the source "shop"; all segments but the last one are sealed, with
--sealed that as well; with --packed those that are sealed are compressed. Prints the value that the chain ends with."""
import argparse
import hashlib
import json
import os
import random
import struct
import subprocess

ID = "0123456789abcdef" * 2
SALT = 16
TABLE = []
for value in range(256):
    for _ in range(8):
        value = (value >> 1) ^ 0x82F63B78 if value & 1 else value >> 1
    TABLE.append(value)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def sha256(data):
    return hashlib.sha256(data).digest()


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def with_crc(members):
    line = compact(members)[:-1]
    return f'{line},"c":"{crc32c(line.encode()):08x}"}}\n'


def pack(lines):
    """Frames of some lines each, and the table of the seekable format behind them."""
    frames, table = b"", b""
    for at in range(0, len(lines), 50):
        plain = b"".join(lines[at:at + 50])
        packed = subprocess.run(["zstd", "-q", "-c", f"--stream-size={len(plain)}"], input=plain, stdout=subprocess.PIPE, check=True).stdout
        frames += packed
        table += struct.pack("<II", len(packed), len(plain))
    count = len(table) // 8
    table += struct.pack("<IBI", count, 0, 0x8F92EAB1)
    return frames + struct.pack("<II", 0x184D2A5E, len(table)) + table


class Writer:
    def __init__(self, options):
        self.options = options
        self.chain = sha256(b"cdc-log " + ID.encode())
        self.start = self.number = 0
        self.at = {}
        os.makedirs(options.folder)
        self.write("meta.json", compact({"format": 1, "id": ID, "created": "2026-11-28T00:00:00Z", "redactable": options.redactable}) + "\n")

    def write(self, name, data):
        with open(os.path.join(self.options.folder, name), "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)

    def row(self):
        self.number += 1
        person = self.number % self.options.people
        source = {"connector": "postgresql", "name": "shop", "db": "shop", "schema": "public", "table": "users", "ts_ms": 1763717327123, "txId": self.number}
        after = {"id": person, "email": f"person{person}@example.com", "note": "zażółć " * random.randint(0, 20)}
        return {"op": "c", "pos": f"{self.number:08}", "seq": self.number, "ts_ms": 1, "source": source, "key": {"id": person}, "before": None, "after": after}

    def commit(self):
        self.number += 1
        return {"op": "commit", "pos": f"{self.number:08}", "seq": self.number, "source": {"connector": "postgresql", "name": "shop"}, "events": self.options.rows}

    def batch(self):
        lines = [compact(self.row()).encode() for _ in range(self.options.rows)] + [compact(self.commit()).encode()]
        for line in lines:
            salt = os.urandom(SALT) if self.options.redactable else b""
            self.salts += salt
            self.chain = sha256(self.chain + sha256(b"\0" + salt + line))
        self.at = {"shop": {"pos": f"{self.number:08}", "seq": self.number, "lines": self.number}}
        return [line + b"\n" for line in lines]

    def segment(self, sealed):
        self.salts, lines = b"", []
        index = with_crc({"segment": self.start, "prev": self.chain.hex(), "log": ID, "at": self.at})
        for _ in range(self.options.batches):
            batch = self.batch()
            lines += batch
            end, ts = self.start + sum(map(len, lines)), 1763717327123 + self.number
            index += with_crc({"end": end, "n": len(batch), "ts": ts, "crc": f"{crc32c(b''.join(batch)):08x}", "chain": self.chain.hex(), "at": self.at})
        data = b"".join(lines)
        if sealed:
            index += with_crc({"seal": end, "len": len(data), "n": len(lines), "ts": ts, "sha256": sha256(data).hex(), "chain": self.chain.hex(), "at": self.at})
        name = f"{self.start:020}"
        if sealed and self.options.packed:
            self.write(name + ".ndjson.zst", pack(lines))
        else:
            self.write(name + ".ndjson", data)
        if self.options.redactable:
            self.write(name + ".salt", self.salts)
        self.write(name + ".idx", index)
        self.start = end

    def finish(self):
        head = struct.pack("<Q", self.start)
        self.write("head", head + struct.pack("<I", crc32c(head)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    for name, default in (("segments", 3), ("batches", 4), ("rows", 20), ("people", 7)):
        parser.add_argument("--" + name, type=int, default=default)
    for name in ("redactable", "packed", "sealed"):
        parser.add_argument("--" + name, action="store_true")
    options = parser.parse_args()
    random.seed(1)
    writer = Writer(options)
    for i in range(options.segments):
        writer.segment(options.sealed or i < options.segments - 1)
    writer.finish()
    print(writer.chain.hex())


main()
