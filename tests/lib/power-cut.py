#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a power cut leaves of a folder whose syncs tests/lib/faults.c has watched.

power-cut.py begin ROOT SHADOW   what is in ROOT now counts as synced
power-cut.py cut ROOT SHADOW     ROOT becomes what was synced: each folder has the names of its last fsync, each file the bytes of
                                 its own; a file whose name was synced and whose bytes never were is empty, and so is such a folder

A kernel may have written more than it was asked to. This is the least that it promises, which is what the tools may count on."""
import ctypes
import os
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


def folders_of(root):
    return {file_id(f"{path}/{name}") for path, names, _ in os.walk(root) for name in names}


def restore(identity, to, shadow, folders):
    os.mkdir(to, 0o700)
    if not os.path.exists(f"{shadow}/folder.{identity}"):
        return
    with open(f"{shadow}/folder.{identity}", encoding="utf-8") as names:
        for line in names:
            entry, name = line.rstrip("\n").split(" ", 1)
            path = f"{to}/{name}"
            if entry in folders or os.path.exists(f"{shadow}/folder.{entry}"):
                restore(entry, path, shadow, folders)
            elif os.path.exists(f"{shadow}/file.{entry}"):
                shutil.copyfile(f"{shadow}/file.{entry}", path)
                os.chmod(path, 0o600)
            else:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


action, root, shadow_folder = sys.argv[1:]
if action == "begin":
    begin(root, shadow_folder)
elif action == "cut":
    mode = os.stat(root).st_mode
    restore(file_id(root), f"{root}.cut", shadow_folder, folders_of(root))
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
