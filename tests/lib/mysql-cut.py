#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Damages a small file of the binary log in every place, and looks at what mysql-binlog makes of it.

mysql-cut.py cut FILE FOLDER: the file up to each length; mysql-cut.py flip FILE FOLDER: one bit of each byte. What comes
out must be the first lines of what the whole file gives; a flipped bit must end with 65 or 76, a cut file with 65 or 0."""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

mode, path, folder = sys.argv[1:]
data = open(path, "rb").read()
name = os.path.basename(path)


def run(number, content):
    os.makedirs(f"{folder}/{number % 2}", exist_ok=True)
    file = f"{folder}/{number % 2}/{name}"
    with open(file, "wb") as out:
        out.write(content)
    done = subprocess.run(["mysql-binlog", "--name", "n", "-t", "*.t", "--file", file], capture_output=True, timeout=20)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def damaged():
    if mode == "cut":
        for n in range(len(data)):
            yield f"cut at {n}", data[:n], (0, 65)
    else:
        for n in range(len(data)):
            bit = 1 << (n * 5 % 8)
            yield f"byte {n} ^ {bit:#x}", data[:n] + bytes([data[n] ^ bit]) + data[n + 1:], (65, 76)


def check(number, what, content, allowed):
    status, out, err = run(number, content)
    problems = []
    if status not in allowed:
        problems.append(f"exit status {status}: {err.strip()}")
    if status and not re.match(r"mysql-binlog: error: .", err):
        problems.append(f"exit status {status} without a message")
    if out and not out.endswith(b"\n"):
        problems.append("a line without its end")
    if not whole.startswith(out):
        problems.append(f"lines that the whole file does not have: {out[-300:]!r}")
    return [f"{what}: {problem}" for problem in problems]


status, whole, err = run(0, data)
if status or whole.count(b"\n") < 6:
    sys.exit(f"the whole file: {status} {err} {whole}")
cases = list(damaged())


def work(half):
    return [p for number in range(half, len(cases), 2) for p in check(number, *cases[number])]


with ThreadPoolExecutor(2) as pool:
    problems = [p for part in pool.map(work, (0, 1)) for p in part]
for problem in problems[:15]:
    print(problem)
print(f"{len(cases)} files, {len(problems)} problems")
sys.exit(bool(problems))
