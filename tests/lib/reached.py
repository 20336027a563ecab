# SPDX-License-Identifier: MIT
"""Which tests reach which line? For tests/mutate.

A tree is built with a call at the begin of each basic block (tests/lib/reached.c), its suites run once, and what they reached is
kept in the cache folder, a file a suite: as long as neither the sources nor the suite change, nobody runs them again for that."""
import collections
import hashlib
import json
import os
import re
import shutil
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# They run none of our programs, or build others.
NOT_ASKED = ("mutate", "runner", "floors", "build", "install", "library", "mysql-rig")
FLAGS = "-O0 -g -fsanitize-coverage=trace-pc"
FORMAT = 1  # of what is kept
KEPT_DAYS = 14
TAP = re.compile(r"^(?:not )?ok (\d+) (.*?) in (\d+)ms(?: # .*)?$")
SYMBOL = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
PLACE = re.compile(r"^(/\S+):(\d+)(?: \(discriminator \d+\))?$")
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(.*)$")

# ms: how long it takes.
Test = collections.namedtuple("Test", "suite name ms")


def cache():
    return os.path.join(os.environ.get("CDC_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                                                                     "cdc-tools"), "reached")


def digest(tree, names):
    """Of the files, and of those below the folders; but for what only we use."""
    paths = []
    for name in names:
        path = os.path.join(tree, name)
        if os.path.isdir(path):
            for base, _, files in os.walk(path):
                paths += [os.path.join(base, file) for file in files if not base.endswith("__pycache__") and not file.startswith("reached.")]
        elif os.path.exists(path):
            paths.append(path)
    total = hashlib.sha256(b"%d %s" % (FORMAT, os.environ.get("CDC_MYSQL_FLAVOR", "").encode()))  # servers have tests of their own
    for path in sorted(paths):
        with open(path, "rb") as file:
            total.update(("%s %s\n" % (os.path.relpath(path, tree), hashlib.sha256(file.read()).hexdigest())).encode())
    return total.hexdigest()[:16]


def blocks(program, tree):
    """{offset after the call at a block's begin: {(source, line)}}: what was reached when that byte is set."""
    said = subprocess.run(["objdump", "-d", "-l", "--no-show-raw-insn", program], capture_output=True, text=True, errors="replace", check=True)
    found, here, waiting, place, calling = {}, None, set(), None, False
    for line in said.stdout.splitlines():
        match = INSTRUCTION.match(line)
        if match:
            if calling:  # the block that a call has begun
                here = int(match[1], 16)
                found[here] = waiting
                waiting, calling = set(), False
            calling = "<__sanitizer_cov_trace_pc" in match[2]
            if place is not None:
                # What stands before a function's first call belongs to it.
                (waiting if here is None or calling else found[here]).add(place)
            continue
        match = PLACE.match(line)
        if match:
            path = os.path.relpath(os.path.normpath(match[1]), tree)
            place = None if path.startswith("..") else (path, int(match[2]))
        elif SYMBOL.match(line):
            here, waiting, place, calling = None, set(), None, False
    return found


class Reached:
    """What the suites of a tree reach. `tree` is a copy that may be built in."""

    def __init__(self, tree, environment, jobs, say):
        self.tree, self.environment, self.jobs, self.say = tree, environment, jobs, say
        self.tests, self.overhead = [], {}
        self.by_line = {}  # (source, line): numbers in tests; a line that has code and no test has an empty set
        self.built = None

    def load(self, only):
        """Of all suites, or of those named. Records what the cache does not have. Returns why it could not, or None."""
        suites = sorted(name[:-5] for name in os.listdir(os.path.join(self.tree, "tests")) if name.endswith(".bats"))
        suites = [suite for suite in suites if (suite in only if only else suite not in NOT_ASKED)]
        sources = digest(self.tree, ["Makefile", "include", "libcdc", "connectors", "cmd", "tests/lib", "tests/run"])
        folder = cache()
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(folder):
            if time.time() - os.stat(os.path.join(folder, name)).st_mtime > KEPT_DAYS * 86400:
                os.remove(os.path.join(folder, name))
        files, missing = {}, []
        for suite in suites:
            own = digest(self.tree, ["tests/%s.bats" % suite] + (["tests/unit"] if suite == "unit" else []))
            files[suite] = os.path.join(folder, "%s-%s-%s.json" % (suite, sources, own))
            if not os.path.exists(files[suite]):
                missing.append(suite)
        if missing:
            said = self.record(missing, files)
            if said is not None:
                return said
        for suite in suites:
            with open(files[suite], encoding="utf-8") as file:
                self.take(suite, json.load(file))
            os.utime(files[suite])
        return None

    def take(self, suite, kept):
        """Adds what is kept of a suite."""
        self.overhead[suite] = kept["overhead"]
        first = len(self.tests)
        self.tests += [Test(suite, name, ms) for name, ms in kept["tests"]]
        for path, lines in kept["lines"].items():
            for line, numbers in lines.items():
                self.by_line.setdefault((path, int(line)), set()).update(first + number for number in numbers)

    def of(self, path, lines):
        """The tests that reach one of these lines. Where none of them has code (the rest of a statement, a label), it is the
        next line that has some, and the one before it."""
        found = [line for line in lines if (path, line) in self.by_line]
        if not found:
            code = sorted(line for name, line in self.by_line if name == path)
            found = [line for line in code if line > max(lines)][:1] + [line for line in code if line < min(lines)][-1:]
        return [self.tests[number] for number in sorted(set().union(*(self.by_line[path, line] for line in found)))]

    def sizes(self, path):
        """({test: how many lines of the source it reaches}, how many have code)"""
        size, whole = collections.Counter(), 0
        for (name, _), numbers in self.by_line.items():
            if name == path:
                whole += 1
                size.update(self.tests[number] for number in numbers)
        return size, max(whole, 1)

    # -- recording -----------------------------------------------------------------

    def record(self, suites, files):
        """Runs the suites in a build of its own, and keeps what they reached."""
        folder = os.path.join(self.tree, "reached")
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o1777)  # tools run as several users
        said = self.build(folder)
        if said is not None:
            return said
        tables = self.tables()  # now: a suite may build it again, without marks
        self.say("running %s to see what they reach" % " ".join(suites))
        programs = self.programs() if "unit" in suites else []
        times = {"unit": [(name, self.run_program(folder, name)) for name in programs]}
        timed = [suite for suite in suites if suite != "unit" or not programs]
        overhead = {"unit": 0}
        for suite, seconds, tests in self.run_suites(timed):
            times[suite] = tests
            overhead[suite] = max(0, seconds - sum(ms for _, _, ms in tests) / 1000)
        reached = self.read(folder, tables)
        for suite in suites:
            if suite == "unit" and programs:
                tests = times["unit"]
                lines = [reached.get(("unit", name), set()) for name, _ in tests]
            else:
                tests = [(name, ms) for _, name, ms in times.get(suite, [])]
                begin = reached.get((suite, ""), set())
                lines = [reached.get((suite, number), set()) | begin for number, _, _ in times.get(suite, [])]
            self.keep(files[suite], overhead.get(suite, 0), tests, lines, reached["code"])
        shutil.rmtree(folder)
        return None

    def keep(self, path, overhead, tests, lines, code):
        by_path = {}
        for source, line in code:
            by_path.setdefault(source, {})[line] = []
        for number, places in enumerate(lines):
            for source, line in places:
                by_path[source][line].append(number)
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump({"overhead": overhead, "tests": tests, "lines": by_path}, file)
        os.rename(path + ".new", path)

    def build(self, folder):
        self.say("building with marks")
        runtime = os.path.join(self.tree, "reached.o")
        command = ["cc", "-O2", "-fPIC", "-fvisibility=hidden", "-D_GNU_SOURCE", "-DREACHED_FOLDER=\"%s\"" % folder, "-c", "-o", runtime,
                   os.path.join(HERE, "reached.c")]
        make = ["make", "-s", "-j%d" % self.jobs, "--no-print-directory", "BUILD=marked", "CFLAGS=" + FLAGS, "LDFLAGS=" + runtime, "HARDENING=", "all", "unit"]
        # A cache of objects that does not look at the folder (ccache: hash_dir = false) would give some of another tree, whose
        # lines are known by other names.
        environment = {**self.environment, "CCACHE_HASHDIR": "true"}
        for step in (command, make):
            result = subprocess.run(step, cwd=self.tree, env=environment, capture_output=True, text=True, errors="replace")
            if result.returncode != 0:
                return "the tree does not build with marks: " + (result.stderr.strip().splitlines() or ["no word why"])[-1]
        library = os.path.join(self.tree, "marked", "libcdc.a")
        if os.path.exists(library):  # for who links with the library alone
            subprocess.run(["ar", "r", library, runtime], capture_output=True, check=True)
        return None

    def programs(self):
        folder = os.path.join(self.tree, "tests", "unit")
        return sorted(name[:-2] for name in os.listdir(folder) if name.endswith(".c")) if os.path.isdir(folder) else []

    def run_program(self, folder, name):
        """A unit program; how many ms."""
        begun = time.time()
        try:
            # So that the tests' names are there, and found again by the program's.
            subprocess.run([os.path.join(self.tree, "marked/tests/unit", name)], cwd=self.tree, stdin=subprocess.DEVNULL, capture_output=True,
                           env=dict(self.environment, BATS_TEST_FILENAME="/unit", BATS_SUITE_TEST_NUMBER=""), timeout=300)
        except subprocess.TimeoutExpired:
            pass
        return int((time.time() - begun) * 1000)

    def run_suites(self, suites):
        """(suite, seconds, [(number, name, ms)]) of each. Tests that fail reach something too."""
        result = []
        for chunk in [suites] if len(suites) > 1 else [[suite] for suite in suites]:
            begun = time.time()
            command = ["tests/run"] + ["tests/%s.bats" % suite for suite in chunk]
            said = subprocess.run(command, cwd=self.tree, env=dict(self.environment, CDC_BUILD="marked", CDC_JOBS=str(2 * self.jobs)),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace").stdout
            if len(chunk) == 1:
                said = "== tests/%s.bats (%d s)\n" % (chunk[0], time.time() - begun) + said
            tests = None
            for line in said.splitlines():
                head = re.match(r"^== tests/(\S+)\.bats \((\d+) s\)$", line)
                if head:
                    tests = []
                    result.append((head[1], int(head[2]), tests))
                found = TAP.match(line)
                if found and tests is not None:
                    tests.append((found[1], found[2], int(found[3])))
                if line.startswith("not ok"):
                    self.say("# fails, for all that: " + line)
        return result

    def tables(self):
        """{program or library: its blocks}"""
        found = {}
        for base, _, names in os.walk(os.path.join(self.tree, "marked")):
            for name in names:
                path = os.path.join(base, name)
                if os.access(path, os.X_OK) and not os.path.islink(path) and (".so" not in name or name.startswith("libcdc")):
                    found[name] = blocks(path, self.tree)
        return found

    def read(self, folder, tables):
        """{(suite, number of the test or name of the unit program): {(source, line)}}, and "code": all lines that have some."""
        reached = {"code": {place for table in tables.values() for places in table.values() for place in places}}
        for name in os.listdir(folder):
            suite, number, program = name.split("@", 2)
            if program not in tables:
                continue
            with open(os.path.join(folder, name), "rb") as file:
                marks = file.read()
            suite = suite[:-5] if suite.endswith(".bats") else suite
            key = (suite, program if suite == "unit" and program.startswith("test-") else number)
            into = reached.setdefault(key, set())
            for offset, places in tables[program].items():
                if offset < len(marks) and marks[offset]:
                    into |= places
        return reached
