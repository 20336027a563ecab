# SPDX-License-Identifier: MIT
"""What rereads.py and rereads_mysql.py share: the line under its supervisor, with two SQLite sinks, and how their copies are compared."""
import os
import signal
import sqlite3
import subprocess
import threading
import time

AGAIN = {0, 69, 74, 75, -9, -13, 137, 141, 143}
COPIES = ("a.db", "b.db")


def run(client, statement):
    done = subprocess.run(client, input=statement + ";\n", capture_output=True, text=True, check=False)
    return done.stdout.strip()


def signalled(pid, sign):
    """It may be gone by now. pid < 0: the process group."""
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return False
    return True


class Line:
    """The line, started again as a supervisor does."""

    def __init__(self, folder, url, stream, snapshot_options=""):
        self.folder, self.failed, self.stopped, self.process = folder, None, False, None
        bins = os.environ["CDC_BUILD"] + "/bin"
        self.again_command = [f"{bins}/cdc-snapshot", "--again", "-q", "--name", "p", "--state-dir", f"{folder}/state", url]
        options = f"--name p -t 's.*' --state-dir {folder}/state '{url}'"
        sink = f"{bins}/cdc-sink-sqlite --state-dir {folder}/state --offset-file {folder}/state"
        self.command = (
            f"{{ {bins}/cdc-snapshot {snapshot_options} {options} && exec {bins}/{stream} --heartbeat 1 {options}; }} | {bins}/cdc-filter -t 's.*'"
            f" | tee >(exec {sink}/b.offset {folder}/b.db) | {sink}/a.offset {folder}/a.db"
        )
        self.thread = threading.Thread(target=self.supervise)
        self.thread.start()

    def supervise(self):
        with open(f"{self.folder}/err", "a", encoding="utf-8") as err:
            while not self.stopped:
                self.process = subprocess.Popen(
                    ["bash", "-o", "pipefail", "-c", self.command], stderr=err, start_new_session=True
                )
                status = self.process.wait()
                if status not in AGAIN and not self.stopped:
                    self.failed = status
                    return

    def pids(self, name):
        found = subprocess.run(["pgrep", "-g", str(self.process.pid), "-x", name], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def kill(self, rng, name):
        pids = self.pids(name)
        return bool(pids) and signalled(rng.choice(pids), signal.SIGKILL)

    def kill_all(self):
        """As a power failure does it."""
        return signalled(-self.process.pid, signal.SIGKILL)

    def hold(self, rng, name, seconds):
        """One of them does nothing for a while."""
        pids = self.pids(name)
        held = rng.choice(pids) if pids else None
        if held and signalled(held, signal.SIGSTOP):
            time.sleep(seconds)
            signalled(held, signal.SIGCONT)

    def again(self, *tables):
        options = [option for table in tables for option in ("-t", "s." + table)]
        done = subprocess.run(self.again_command + options, capture_output=True, text=True, check=False)
        if done.returncode:
            print("#", done.stderr.strip())
        return done.returncode == 0

    def messages(self):
        with open(f"{self.folder}/err", encoding="utf-8") as err:
            return err.read()

    def stop(self):
        self.stopped = True
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            time.sleep(1)
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.thread.join()


def rows_copied(path, table, columns):
    try:
        copy = sqlite3.connect(path, timeout=30)
        return sorted(str(row[0]) for row in copy.execute(f"select {columns} from {table}"))
    except sqlite3.Error as failed:
        return [str(failed)]


def wait_equal(line, differing, limit=120):
    """differing: what is not equal now."""
    end = time.time() + limit
    while True:
        found = differing()
        if not found and not os.path.exists(f"{line.folder}/state/cdc-snapshot-p.again"):
            return []
        if line.failed is not None or time.time() > end:
            return found or ["a request that nobody took"]
        time.sleep(0.5)
