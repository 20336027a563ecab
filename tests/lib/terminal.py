#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""terminal.py COLUMNS STATES COMMAND...: a command with standard error on a terminal of so many columns.

What the terminal shows in the end is printed, a line a line; STATES gets each state of the line that the cursor is in, as soon as
it holds a whole update. Exit status: the command's; 3 when a line was longer than the terminal, which would wrap."""
import fcntl, os, pty, re, signal, struct, subprocess, sys, termios

columns, states, command = int(sys.argv[1]), open(sys.argv[2], "w"), sys.argv[3:]
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
child = subprocess.Popen(command, stderr=slave)
os.close(slave)
lines, line, cursor, wrapped, rest = [], "", 0, False, b""
while True:
    try:
        data = os.read(master, 65536)
    except OSError:  # no writer is left
        break
    if not data:
        break
    for part in re.findall(rb"\r\n|\r|\n|\x1b\[K|[^\r\n\x1b]+|\x1b", data):
        if part in (b"\r\n", b"\n"):
            lines.append(line)
            line, cursor = "", 0
        elif part == b"\r":
            cursor = 0
        elif part == b"\x1b[K":
            line = line[:cursor]
        else:
            text = part.decode("utf-8", "replace")
            line = line[:cursor] + text + line[cursor + len(text):]
            cursor += len(text)
            # Messages may be long; what is written over may not.
            wrapped |= len(line) >= columns and not re.match(r"[a-z-]+: (info|warning|error|debug): ", line)
            states.write(line + "\n")
status = child.wait()
states.close()
print("\n".join(lines + ([line] if line else [])))
sys.exit(3 if wrapped else status if status >= 0 else 128 - status)
