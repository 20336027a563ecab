#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stage of a line that stops in the middle: gate.py LINES INSIDE GO

Passes everything on. After LINES lines it makes the file INSIDE and takes nothing more until the file GO is there."""
import os
import sys
import time

lines, inside, go = int(sys.argv[1]), sys.argv[2], sys.argv[3]
for number, line in enumerate(sys.stdin.buffer, 1):
    sys.stdout.buffer.write(line)
    if not line.startswith(b'{"op":"c"'):
        sys.stdout.buffer.flush()
    if number == lines:
        sys.stdout.buffer.flush()
        open(inside, "wb").close()
        while not os.path.exists(go):
            time.sleep(0.02)
