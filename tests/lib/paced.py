#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paced.py LINES: passes lines on as they come, also one that ends too early, and waits after each so many of them."""
import sys
import time

out = sys.stdout.buffer
for number, line in enumerate(sys.stdin.buffer, 1):
    out.write(line)
    if number % int(sys.argv[1]) == 0:
        out.flush()
        time.sleep(0.2)
