#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a power cut leaves of a folder whose syncs tests/lib/faults.c has watched.

power-cut.py begin ROOT SHADOW   what is in ROOT now counts as synced
power-cut.py cut ROOT SHADOW [SEED]
                                 ROOT becomes what was synced: each folder has the names of its last fsync, each file the bytes of
                                 its own; a file whose name was synced and whose bytes never were is empty, and so is such a folder

A kernel may have written more than it was asked to. Without SEED this is the least that it promises. With it, some of the rest is on
the disk as well: of the bytes some pages, and the length of before, of now, or one between; of the names some changes, where a rename
is done or not."""
import ctypes
import os
import random
import shutil
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_INO, STATX_BTIME = -100, 0x100, 0x100, 0x800


def file_id(path):
    """As faults.c names it: inode and time of birth."""
    data = ctypes.create_string_buffer(256)
    if LIBC.statx(AT_FDCWD, os.fsencode(path), AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, data) != 0:
        raise OSError(ctypes.get_errno(), path)
    inode = struct.unpack_from("<Q", data, 32)[0]
    seconds, nanoseconds = struct.unpack_from("<qI", data, 80)
    return f"{inode}-{seconds}.{nanoseconds}"


def begin(folder, shadow):
    with open(f"{shadow}/folder.{file_id(folder)}", "w", encoding="utf-8") as names:
        for entry in os.scandir(folder):
            names.write(f"{file_id(entry.path)} {entry.name}\n")
            if entry.is_dir(follow_symlinks=False):
                begin(entry.path, shadow)
            elif entry.is_file(follow_symlinks=False):
                shutil.copy(entry.path, f"{shadow}/file.{file_id(entry.path)}")


def all_now(folder):
    return {file_id(folder): folder} | {file_id(f"{path}/{name}"): f"{path}/{name}" for path, names, files in os.walk(folder) for name in names + files}


def synced_names(identity, shadow):
    names = {}
    if os.path.exists(f"{shadow}/folder.{identity}"):
        with open(f"{shadow}/folder.{identity}", encoding="utf-8") as lines:
            for line in lines:
                entry, name = line.rstrip("\n").split(" ", 1)
                names[name] = entry
    return names


def some_names(before, now, rng):
    """Of the changes from before to now some. Names that share a file, as the two of a rename, change together."""
    groups = []
    for name in sorted(set(before) | set(now)):
        group = ({name}, {names[name] for names in (before, now) if name in names})
        for other in [g for g in groups if g[1] & group[1]]:
            groups.remove(other)
            group = (group[0] | other[0], group[1] | other[1])
        groups.append(group)
    chosen = {}
    for names, _ in sorted(groups, key=lambda g: sorted(g[0])):
        of = rng.choice([before, now])
        chosen.update({name: of[name] for name in names if name in of})
    return chosen


def some_bytes(before, now, rng):
    size = rng.choice([len(before), len(now), rng.randint(min(len(before), len(now)), max(len(before), len(now)))])
    page, share = rng.choice([512, 4096]), rng.choice([0, .5, 1])
    made = bytearray()
    for at in range(0, size, page):
        of = now if rng.random() < share else before
        made += of[at:at + page].ljust(min(page, size - at), b"\0")[:size - at]
    return bytes(made)


def content(path):
    if path is None or not os.path.exists(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def restore(identity, to, shadow, now, rng):
    """now: path of what has that identity now."""
    os.mkdir(to, 0o700)
    names = synced_names(identity, shadow)
    if rng and identity in now:
        names = some_names(names, {entry.name: file_id(entry.path) for entry in os.scandir(now[identity])}, rng)
    for name, entry in names.items():
        path = f"{to}/{name}"
        if os.path.isdir(now.get(entry, "")) or os.path.exists(f"{shadow}/folder.{entry}"):
            restore(entry, path, shadow, now, rng)
            continue
        data = content(f"{shadow}/file.{entry}")
        if rng and entry in now:
            data = some_bytes(data, content(now[entry]), rng)
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)


action, root, shadow_folder = sys.argv[1:4]
if action == "begin":
    begin(root, shadow_folder)
elif action == "cut":
    mode = os.stat(root).st_mode
    restore(file_id(root), f"{root}.cut", shadow_folder, all_now(root), random.Random(sys.argv[4]) if len(sys.argv) > 4 else None)
    # The folder itself stays: who has it open, and who watches it by its number, goes on.
    for item in os.scandir(root):
        if item.is_dir(follow_symlinks=False):
            shutil.rmtree(item.path)
        else:
            os.unlink(item.path)
    for item in os.listdir(f"{root}.cut"):
        os.rename(f"{root}.cut/{item}", f"{root}/{item}")
    os.rmdir(f"{root}.cut")
    os.chmod(root, mode & 0o7777)
else:
    sys.exit(__doc__)
