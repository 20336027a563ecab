#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""slow.py BYTES: passes on what comes, at most so many bytes a second: a reader that gives others the time to be killed."""
import os
import sys
import time

while block := os.read(0, 1 << 14):
    began = time.monotonic()
    left = memoryview(block)
    while left:
        left = left[os.write(1, left):]
    time.sleep(max(0.0, began + len(block) / float(sys.argv[1]) - time.monotonic()))
