#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ten readers of a log at full speed, while it is appended to, compressed, compacted, purged and trimmed, and each of these is killed or
ended at random, and goes on.

log_readers.py --dir DIR [--seed N] [--lines N]

What a reader is given from one place on is the input from that place on, behind the schema lines of before; the next run of it goes on
at a place that it had written, the one that its offset file has. Purged lines have the length that they had. Exit status 1 where that is
not so."""
import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

from log_offsets import acknowledged

BUILD = os.environ["CDC_BUILD"]
TOOL = f"{BUILD}/bin/cdc-log"
LIMIT = 120  # seconds without anything new
PURGED = b'{"op":"purged",'


class Wrong(Exception):
    pass


def make_input(rng, lines):
    out, n, seq = [], 0, 0
    source = {"connector": "postgresql", "name": "n", "db": "d", "schema": "public", "table": "t"}

    def put(op, of, more):
        nonlocal n
        n += 1
        out.append(json.dumps({"op": op, "pos": f"{n:012d}", "seq": seq, "ts_ms": 1, "source": of} | more, separators=(",", ":")).encode() + b"\n")
    put("schema", source, {"columns": [{"name": c, "type": "text"} for c in ("id", "p", "v")], "key_columns": ["id"]})
    while n < lines:
        seq += 1
        rows = rng.choice([1, 1, 2, 3, 50])
        for _ in range(rows):
            key = rng.randrange(2000)
            put("c", source, {"key": {"id": key}, "before": None, "after": {"id": key, "p": rng.randrange(20), "v": "x" * rng.choice([10, 200, 200, 3000])}})
        put("commit", {"connector": "postgresql", "name": "n", "db": "d"}, {"events": rows})
    return out


class Reader:
    """One run after the other, each held against the input."""
    def __init__(self, rig, number):
        self.rig, self.number, self.rng = rig, number, random.Random(rig.seed * 1000 + number)
        self.registered = number % 3 != 0
        self.file = f"{rig.log}/readers/r{number}.offset" if self.registered else f"{rig.dir}/r{number}.offset"
        self.given = 0  # the furthest byte
        self.begun = False

    def place(self):
        try:
            with open(self.file, encoding="utf-8") as file:
                pos = json.load(file)["offsets"]["log"]["pos"]
        except (FileNotFoundError, KeyError):
            return None
        return int(pos) if pos else None

    def run(self, last):
        rng, at = self.rng, self.place()
        if self.begun and at is not None and at > self.given:
            raise Wrong(f"its offset file has byte {at}, and it was given {self.given}")
        command = [TOOL, "read", "-q", *(["--reader", f"r{self.number}"] if self.registered else ["--offset-file", self.file])]
        how = "end" if last else rng.choice(["kill", "kill", "term", "max", "end"])
        if how == "max":
            command += ["--max-events", str(rng.randrange(1, 3000))]
        if how in ("kill", "term"):
            command.append("--follow")
        begin = at if at is not None else self.rig.begin() if not self.registered else 0
        if at is None:
            command += ["--from", f"@{begin}"]
        name = f"{self.rig.dir}/out{self.number}"
        with open(name, "wb") as to, open(name + ".err", "wb") as err, subprocess.Popen([*command, self.rig.log], stdout=to, stderr=err) as process:
            try:
                process.wait(rng.uniform(.01, 1) if how in ("kill", "term") else LIMIT)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGTERM)
                if how not in ("kill", "term"):
                    raise Wrong(f"{command} hangs") from None
                process.wait(LIMIT)
        with open(name + ".err", encoding="utf-8") as file:
            said = file.read()
        self.rig.counts[f"read {how} {process.returncode}"] += 1
        if process.returncode == 79 and not self.registered and begin < self.rig.begin():
            if at is not None:
                os.unlink(self.file)
            self.begun = False
            return
        if process.returncode not in (0, -signal.SIGKILL, -signal.SIGTERM):  # SIGTERM: it came before the run had begun
            raise Wrong(f"{command}: exit status {process.returncode}: {said}")
        self.check(name, begin)

    def check(self, name, begin):
        with open(name, "rb") as file:
            got = file.read()
        schema = self.rig.lines[0]
        if begin > 0 and got.startswith(schema):
            got = got[len(schema):]
        elif begin > 0 and len(got) >= len(schema):
            raise Wrong(f"no schema line comes first, from byte {begin} on")
        wanted = self.rig.input[begin:begin + len(got)]
        if got != wanted:
            self.compare(got, wanted, begin)
        if got:
            self.given = begin + len(got) if not self.begun else max(self.given, begin + len(got))
            self.begun = True
        self.rig.counts["bytes read"] += len(got)

    def compare(self, got, wanted, begin):
        at = begin
        for one, other in zip(got.split(b"\n"), wanted.split(b"\n")):
            cut = min(len(one), len(other))
            if one[:cut] != other[:cut] and not (one.startswith(PURGED[:len(one)]) and len(one) == len(other)):
                raise Wrong(f"byte {at}: {one[:200]!r} and not {other[:200]!r}")
            at += len(one) + 1
        if len(got) != len(wanted):
            raise Wrong(f"more than the input, from byte {begin} on")


class Rig:
    def __init__(self, options):
        self.dir, self.seed = options.dir, options.seed
        self.log = f"{self.dir}/log"
        self.lines = make_input(random.Random(options.seed), options.lines)
        self.input = b"".join(self.lines)
        self.counts = collections.Counter()
        self.wrong = []
        self.over = threading.Event()

    def begin(self):
        try:
            with open(f"{self.log}/begin", encoding="utf-8") as file:
                return int(file.read())
        except FileNotFoundError:
            return 0

    # -- who changes it

    def append(self):
        rng = random.Random(self.seed + 1)
        done = 0
        while done < len(self.lines):
            done = acknowledged(self.log)
            command = [TOOL, "append", "-q", "--redactable", "--segment-bytes", "150K", "--batch-bytes", rng.choice(["4K", "40K"]), self.log]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                until = min(len(self.lines), done + rng.randrange(1, len(self.lines) // 4))
                try:
                    for i in range(done, until, 200):
                        process.stdin.write(b"".join(self.lines[i:min(until, i + 200)]))
                        process.stdin.flush()
                        time.sleep(rng.uniform(0, .01))
                    if rng.random() < .4:
                        process.kill()
                    process.stdin.close()
                except BrokenPipeError:
                    pass
                error = process.stderr.read().decode()
                status = process.wait(LIMIT)
            self.counts[f"append {status}"] += 1
            if status not in (0, 75, -signal.SIGKILL):
                raise Wrong(f"append: exit status {status}: {error}")

    def maintain(self, arguments, good):
        rng = random.Random(self.seed + len(arguments[0]))
        while not self.over.is_set():
            if not os.path.exists(f"{self.log}/head"):
                continue
            command = [TOOL, arguments[0], "-q", *(a.replace("PERSON", str(rng.randrange(20))) for a in arguments[1:]), self.log]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
                if rng.random() < .3:
                    time.sleep(rng.uniform(0, .2))
                    process.kill()
                error = process.stderr.read().decode()
                status = process.wait(LIMIT)
            self.counts[f"{arguments[0]} {status}"] += 1
            if status not in good and status != -signal.SIGKILL:
                raise Wrong(f"{arguments[0]}: exit status {status}: {error}")
            time.sleep(rng.uniform(0, .1))

    def read(self, reader):
        while not self.over.is_set():
            if os.path.exists(f"{self.log}/head"):
                reader.run(False)
            else:
                time.sleep(.05)
        reader.run(True)
        while reader.given < len(self.input):  # one that was sent back to the begin
            reader.run(True)

    def thread(self, what, *arguments):
        def guarded():
            try:
                what(*arguments)
            except Exception as why:  # pylint: disable=broad-exception-caught
                self.wrong.append(f"{what.__name__} {arguments if what != self.read else arguments[0].number}: {why}")
                self.over.set()
        thread = threading.Thread(target=guarded)
        thread.start()
        return thread

    def run(self):
        writer = self.thread(self.append)
        others = [self.thread(self.maintain, ["compact", "--memory", "64K"], (0, 75)),
                  self.thread(self.maintain, ["trim", "--retain-bytes", "600K"], (0, 75)),
                  self.thread(self.maintain, ["purge", "--table", "public.t", "--key", '{"p":PERSON}'], (0, 75)),
                  self.thread(self.maintain, ["verify"], (0, 75)),
                  self.thread(self.maintain, ["stat"], (0,))]
        others += [self.thread(self.read, Reader(self, number)) for number in range(10)]
        writer.join()
        self.over.set()
        for thread in others:
            thread.join()
        done = subprocess.run([TOOL, "verify", "-q", self.log], capture_output=True, text=True, timeout=LIMIT, check=False)
        if done.returncode != 0:
            self.wrong.append(f"verify at the end: {done.returncode} {done.stderr}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, default=6000)
    options = parser.parse_args()
    rig = Rig(options)
    rig.run()
    print(dict(sorted(rig.counts.items())))
    print("\n".join(rig.wrong))
    sys.exit(1 if rig.wrong else 0)


main()
