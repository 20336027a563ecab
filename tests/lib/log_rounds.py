#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rounds of tests/log-rounds, which says what they are."""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from log_offsets import acknowledged

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ["CDC_BUILD"]
TOOL = f"{BUILD}/bin/cdc-log"
LIMIT = int(os.environ.get("CDC_LIMIT", "120"))  # seconds that a run may take
# Transactions, rows in one, bytes in a row: many small ones, lines that are longer than a batch, one source's and large transactions.
SHAPES = [(60, 3, 40), (400, 2, 30), (25, 3, 4000), (8, 120, 40), (12, 2, 20000)]


class Wrong(Exception):
    pass


def run(arguments, **more):
    return subprocess.run([TOOL, *arguments], stderr=subprocess.PIPE, timeout=LIMIT, check=False, **more)


class Round:
    def __init__(self, folder, seed):
        self.folder, self.seed, self.random = folder, seed, random.Random(seed)
        self.root, self.shadow = f"{folder}/root", f"{folder}/shadow"
        self.log = f"{self.root}/log"
        self.readers = []
        self.counts = collections.Counter()
        self.given = 0  # the furthest byte that a reader was given
        for path in (self.root, self.shadow):
            shutil.rmtree(path, ignore_errors=True)
            os.mkdir(path)
        self.lines = self.make_input()
        self.input = b"".join(self.lines)
        self.options = ["--segment-bytes", str(self.random.choice([2000, 6000, 40000, 10**9])), "--batch-bytes", str(self.random.choice([500, 1500, 9000, 10**6])),
                        "--compress", self.random.choice(["none", "zstd:1", "zstd:3"])]
        if self.random.random() < .3:
            self.options.append("--redactable")

    def make_input(self):
        shape = self.random.choice(SHAPES)
        made = subprocess.run([sys.executable, f"{HERE}/log-lines.py", *map(str, shape), "n", str(self.seed)], stdout=subprocess.PIPE, check=True)
        return made.stdout.splitlines(keepends=True)

    # -- what is killed

    def faulty(self, arguments, stdin=None, stdout=subprocess.DEVNULL):
        """Runs it, killed at a random call or moment, or not at all. Returns the exit status."""
        env = dict(os.environ, LD_PRELOAD=f"{BUILD}/tests/faults.so", FAULTS_ROOT=self.root, FAULTS_SHADOW=self.shadow)
        how = self.random.choice(["call", "call", "call", "moment", "error", "none"])
        at = int(2 ** self.random.uniform(0, 9))
        moment = self.random.uniform(.01, .4)
        if how in ("call", "error"):
            env.update(FAULTS_CALL=self.random.choice(["write", "write", "sync", "sync", "rename", "open"]), FAULTS_AT=str(at), FAULTS_HOW="kill" if how == "call" else "error")
        with subprocess.Popen([TOOL, *arguments], env=env, stdin=stdin or subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE) as process:
            try:
                if how == "moment":
                    try:
                        process.communicate(timeout=moment)
                    except subprocess.TimeoutExpired:
                        process.kill()
                error = process.communicate(timeout=LIMIT)[1]
            except subprocess.TimeoutExpired:
                process.kill()
                raise Wrong(f"{arguments[0]} hangs") from None
        status = process.returncode
        self.counts["killed" if status == -signal.SIGKILL else "failed" if status else "ended"] += 1
        if status not in (0, -signal.SIGKILL) and (how != "error" or status not in (69, 70, 74, 75)):
            raise Wrong(f"{arguments[0]}: exit status {status}: {error.decode(errors='replace')[-300:]}")
        return status

    def append(self):
        """As a source would send: all of it again, or what comes after the acknowledged position."""
        after = acknowledged(self.log) if self.random.random() < .5 else 0
        with open(f"{self.folder}/in", "wb") as to:
            to.write(b"".join(self.lines[after:]))
        with open(f"{self.folder}/in", "rb") as stdin:
            return self.faulty(["append", "-q", *self.options, self.log], stdin)

    # -- readers: what they were given must be there for ever

    def follow(self):
        if not os.path.exists(f"{self.log}/meta.json"):
            return
        name = f"{self.folder}/read{len(self.readers)}"
        with open(name, "wb") as to:
            # pylint: disable-next=consider-using-with
            self.readers.append((name, subprocess.Popen([TOOL, "read", "-q", "--follow", "--offset-file", f"{name}.offset", self.log], stdout=to, stderr=subprocess.DEVNULL)))

    def end_readers(self):
        for name, process in self.readers:
            process.kill()
            process.wait()
            with open(name, "rb") as file:
                got = file.read()
            if got != self.input[:len(got)]:
                raise Wrong("a reader was given other lines")
            self.given = max(self.given, len(got))
            self.counts["bytes read beside"] += len(got)
            os.unlink(name)
        for path in os.listdir(self.folder):
            if path.startswith("read"):
                os.unlink(f"{self.folder}/{path}")
        self.readers = []

    # -- what must be true after each

    def look(self):
        if not os.path.exists(f"{self.log}/meta.json"):
            if acknowledged(self.log) or self.given:
                raise Wrong("the log is gone")
            return
        read = run(["read", "-q", self.log], stdout=subprocess.PIPE)
        got = read.stdout
        if read.returncode != 0 and not (read.returncode == 78 and acknowledged(self.log) == self.given == 0):
            raise Wrong(f"read: {read.returncode}: {read.stderr.decode()}")
        if got != self.input[:len(got)]:
            raise Wrong("the log has other lines")
        if got.count(b"\n") < acknowledged(self.log):
            raise Wrong(f"{acknowledged(self.log)} lines were acknowledged, {got.count(chr(10).encode())} are there")
        if len(got) < self.given:
            raise Wrong(f"a reader was given {self.given} bytes, {len(got)} are there")

    def verify(self):
        verified = run(["verify", "-q", self.log], stdout=subprocess.PIPE)
        if verified.returncode != 0:
            raise Wrong(f"verify: {verified.returncode}: {verified.stderr.decode()}")

    def cut_power(self):
        """At the least what was synced, or some of the rest with it."""
        seed = [] if self.random.random() < .4 else [str(self.random.randrange(10**9))]
        subprocess.run([sys.executable, f"{HERE}/power-cut.py", "cut", self.root, self.shadow, *seed], check=True)
        shutil.rmtree(self.shadow)
        os.mkdir(self.shadow)
        subprocess.run([sys.executable, f"{HERE}/power-cut.py", "begin", self.root, self.shadow], check=True)
        self.counts["power cuts"] += 1

    def play(self):
        subprocess.run([sys.executable, f"{HERE}/power-cut.py", "begin", self.root, self.shadow], check=True)
        for _ in range(self.random.randint(1, 4)):
            if self.random.random() < .4:
                self.follow()
            self.append()
            if self.random.random() < .25 and os.path.exists(f"{self.log}/meta.json"):
                self.faulty(["compact", "-q", "--memory", "64K", self.log])
            self.end_readers()
            if self.random.random() < .7:
                self.cut_power()
            self.look()
        with open(f"{self.folder}/all", "wb") as to:
            to.write(self.input)
        with open(f"{self.folder}/all", "rb") as stdin:
            done = run(["append", "-q", *self.options, self.log], stdin=stdin)
        if done.returncode != 0:
            raise Wrong(f"the last append: {done.returncode}: {done.stderr.decode()}")
        self.look()
        if acknowledged(self.log) != len(self.lines):
            raise Wrong("not all is acknowledged at the end")
        self.verify()
        done = run(["compact", "-q", "--memory", "64K", self.log])
        if done.returncode != 0:
            raise Wrong(f"the last compact: {done.returncode}: {done.stderr.decode()}")
        self.base()
        left = [name for name in os.listdir(self.log) if ".tmp" in name or name.endswith(".new")]
        if left:
            raise Wrong(f"left behind: {left}")

    def base(self):
        """A base has each row once."""
        got = run(["read", "-q", "--from", "base", self.log], stdout=subprocess.PIPE).stdout
        rows = sorted(line["after"]["id"] for line in map(json.loads, got.splitlines()) if line["op"] in "rc")
        if rows != sorted(line["after"]["id"] for line in map(json.loads, self.lines) if line["op"] == "c"):
            raise Wrong("the base has other rows")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    failed, counts, begun = 0, collections.Counter(), time.monotonic()
    for number in range(options.rounds):
        seed = options.seed + number
        this = None
        try:
            this = Round(options.dir, seed)
            this.play()
        except (Wrong, subprocess.SubprocessError, AssertionError) as wrong:
            failed += 1
            print(f"seed {seed}: {wrong}; options {this and this.options}", flush=True)
            if this:
                for _, process in this.readers:
                    process.kill()
                    process.wait()
            if options.keep:
                shutil.copytree(options.dir, f"/tmp/log-rounds.{seed}", dirs_exist_ok=True)
        counts.update(this.counts if this else {})
        if (number + 1) % 50 == 0:
            print(f"# {number + 1} rounds, {failed} failed, {time.monotonic() - begun:.0f} s: {dict(counts)}", flush=True)
    print(f"# {options.rounds} rounds: {dict(counts)}")
    print(f"{options.rounds - failed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
