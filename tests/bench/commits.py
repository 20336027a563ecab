#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How late a copy is, and what it costs, while an application commits at a steady rate.

commits.py COPY.DB TABLE SECONDS PID...   TABLE has a column `at`, microseconds since 1970 by the clock of whoever inserted
The newest row of the copy is looked for all the time; a line of figures: median and 99th percentile of its age when it was first
seen in ms, CPU seconds of the processes, the sum of their peaks of memory in KiB, bytes that they wrote to the disk a row."""
import os
import sqlite3
import sys
import time

copy, table, seconds, pids = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:]


def cpu(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def named(pid, file, name):
    for line in open(f"/proc/{pid}/{file}", encoding="ascii"):
        if line.startswith(name):
            return int(line.split()[1])
    return 0


database = sqlite3.connect(f"file:{copy}?mode=ro", uri=True, isolation_level=None)
newest = f"select max(id), (select at from {table} order by id desc limit 1) from {table}"
before = [(cpu(pid), named(pid, "io", "write_bytes")) for pid in pids]
first, last, ages, end = database.execute(newest).fetchone()[0] or 0, 0, [], time.time() + seconds
while time.time() < end:
    number, at = database.execute(newest).fetchone()
    now = time.time()
    if number and number != last:
        ages.append(now * 1000 - at / 1000)
        last = number
    time.sleep(0.0002)
ages.sort()
rows = max(last - first, 1)
print(f"{ages[len(ages) // 2]:.2f} {ages[len(ages) * 99 // 100]:.2f}",
      f"{sum(cpu(pid) - old[0] for pid, old in zip(pids, before)):.2f}",
      sum(named(pid, "status", "VmHWM") for pid in pids),
      sum(named(pid, "io", "write_bytes") - old[1] for pid, old in zip(pids, before)) // rows, rows)
