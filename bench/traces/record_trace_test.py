#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests tools/record_trace on canned `perf script` text and a fake perf.

usage: record_trace_test.py RECORD_TRACE TRACE...
"""

import os
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

PROGRAM = ""
TRACES = []

# A shell (100) forks a compiler (101), whose thread (102) outlives its leader,
# and a daemon (104) that outlives the shell.
CANNED = """\
    0/0         0.000000000: PERF_RECORD_COMM: perf-exec:100/100
  100/100      10.000000000: PERF_RECORD_COMM exec: sh:100/100
  100/100      10.000000100:          1 page-faults:
  100/100      10.000000200:          1 page-faults:
  100/100      10.000000300: PERF_RECORD_FORK(101:101):(100:100)
  101/101      10.000000400:          1 page-faults:
  101/101      10.000000500: PERF_RECORD_COMM exec: cc 1:x/2:101/101
  101/101      10.000000600:          1 page-faults:u:
  101/101      10.000000700: PERF_RECORD_COMM: renamed:101/101
  101/101      10.000000800: PERF_RECORD_FORK(101:102):(101:101)
  101/101      10.000000900: PERF_RECORD_EXIT(101:101):(100:100)
  101/102      10.000001000:          1 page-faults:
  100/100      10.000001100: PERF_RECORD_FORK(104:104):(100:100)
  101/102      10.000001200: PERF_RECORD_EXIT(101:102):(100:100)
  104/104      10.000001300:          1 page-faults:
  100/100      12.500000000: PERF_RECORD_EXIT(100:100):(99:99)
""".replace("faults:\n", "faults: \n")
FIRST_FAULT = CANNED.splitlines(keepends=True)[2]
CANNED_OPS = [
    ("alloc", 0), ("find", 0), ("find", 0),
    ("alloc", 1), ("find", 1), ("free", 1),
    ("alloc", 2), ("find", 2), ("find", 2),
    ("alloc", 3), ("free", 2), ("find", 3),
    ("free", 0), ("free", 3),
]

FAKE_PERF = """\
#!/bin/sh
# record: runs the command, then hands out canned text; script: prints it.
mode=$1
while [ $# -gt 0 ]; do
	case $1 in
	-o | -i) file=$2; shift ;;
	--) shift; break ;;
	esac
	shift
done
case $mode in
record)
	[ -z "$DENY" ] || { echo "No permission"; exit 255; }
	cp "$CANNED" "$file"
	"$@" || exit
	;;
script)
	[ -z "$UNREADABLE" ] || { echo "bad magic" >&2; exit 255; }
	cat "$file"
	;;
esac
"""


def unpack(data):
    """Reads a trace by the document alone, apart from record_trace."""
    fields = struct.unpack_from("<8sIIIIQQQQ", data)
    assert fields[0] == b"ioatrace" and fields[1] == 1
    body = data[56:56 + fields[8]]
    assert len(data) == 56 + fields[8] + 4
    assert struct.unpack("<I", data[-4:])[0] == zlib.crc32(data[:-4])
    numbers = []
    value = shift = 0
    for byte in body:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    operations = []
    allocated = 0
    current = other = None
    numbers = iter(numbers)
    for number in numbers:
        kind, argument = number % 4, number // 4
        if kind == 2:
            operations.append(("alloc", allocated))
            allocated += 1
        elif kind == 3:
            operations.append(("free", allocated - 1 - argument))
        else:
            process = other
            if kind == 1:
                process = allocated - 1 - next(numbers)
            if process != current:
                current, other = process, current
            operations += [("find", process)] * (argument + 1)
    names = ("processes", "pids", "max_live", "finds", "duration", "lost")
    return dict(zip(names, fields[2:8])), operations


class RecordTrace(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name
        self.output = self.path("out.trace")
        self.perf = self.path("perf")
        with open(self.perf, "w", encoding="ascii") as file:
            file.write(FAKE_PERF)
        os.chmod(self.perf, stat.S_IRWXU)

    def path(self, name):
        return os.path.join(self.directory, name)

    def file(self, name, content):
        mode = "wb" if isinstance(content, bytes) else "w"
        with open(self.path(name), mode) as file:
            file.write(content)
        return self.path(name)

    def run_tool(self, *arguments, **environment):
        return subprocess.run(
            [sys.executable, PROGRAM] + list(arguments),
            env=dict(os.environ, PERF=self.perf, **environment),
            capture_output=True, text=True, check=False)

    def convert(self, text, *arguments):
        return self.run_tool("-o", self.output, *arguments, "--perf-script",
                             self.file("script.txt", text))

    def refused(self, result, status, message):
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertIn(message, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        self.assertFalse(os.path.exists(self.output))

    def converted(self):
        with open(self.output, "rb") as file:
            return unpack(file.read())

    def test_canned(self):
        result = self.convert(CANNED)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 processes outlived", result.stderr)
        header, operations = self.converted()
        self.assertEqual(operations, CANNED_OPS)
        self.assertEqual(header, {
            "processes": 4, "pids": 3, "max_live": 3, "finds": 6,
            "duration": 2500000000, "lost": 0})

    def test_stats(self):
        self.convert(CANNED)
        result = self.run_tool("--stats", self.output)
        self.assertEqual(result.returncode, 0, result.stderr)
        counts = dict(line.rsplit(None, 1)
                      for line in result.stdout.splitlines())
        self.assertEqual(counts, {
            "pids": "3", "allocs": "4", "finds": "6", "frees": "4",
            "find runs": "4", "max live": "3", "duration s": "2.500",
            "lost events": "0", "bytes": str(os.path.getsize(self.output))})

    def test_runs_switches_and_long_distances(self):
        lines = ["1/1 1.000000000: PERF_RECORD_COMM exec: a:1/1\n"]
        expected = [("alloc", 0)]
        for pid in range(2, 202):
            lines.append("1/1 1.000000000: "
                         "PERF_RECORD_FORK(%d:%d):(1:1)\n" % (pid, pid))
            expected.append(("alloc", pid - 1))
        for pid, run in ((1, 1), (201, 40), (1, 31), (201, 33), (1, 5000),
                         (7, 1), (201, 2), (7, 1), (1, 300000)):
            lines += ["%d/%d 2.000000000: 1 page-faults:\n"
                      % (pid, pid)] * run
            expected += [("find", pid - 1)] * run
        for pid in range(201, 0, -1):
            lines.append("1/1 3.000000000: "
                         "PERF_RECORD_EXIT(%d:%d):(1:1)\n" % (pid, pid))
            expected.append(("free", pid - 1))
        result = self.convert("".join(lines))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.converted()[1], expected)
        self.assertEqual(
            self.run_tool("--stats", self.output).returncode, 0)

    def test_switching_takes_one_byte(self):
        text = "1/1 1.000000000: PERF_RECORD_COMM exec: a:1/1\n" \
            "1/1 1.000000000: PERF_RECORD_FORK(2:2):(1:1)\n"
        text += "1/1 2.000000000: 1 page-faults:\n" \
            "2/2 2.000000000: 1 page-faults:\n" * 500
        text += "1/1 3.000000000: PERF_RECORD_FORK(3:3):(1:1)\n"
        text += "2/2 3.000000000: 1 page-faults:\n" \
            "1/1 3.000000000: 1 page-faults:\n" * 500
        result = self.convert(text)
        self.assertEqual(result.returncode, 0, result.stderr)
        header, operations = self.converted()
        # Three allocs and frees, 2000 finds, three of them of two bytes.
        self.assertEqual(os.path.getsize(self.output), 60 + 6 + 2000 + 3)
        self.assertEqual([process for kind, process in operations
                          if kind == "find"], [0, 1] * 500 + [1, 0] * 500)
        self.assertEqual(header["max_live"], 3)

    def test_exec_of_a_thread_ends_the_others(self):
        line = "  101/101      10.000001150: " \
            "PERF_RECORD_COMM exec: a:101/101\n"
        end = CANNED.index("  101/102      10.000001200")
        text = CANNED[:end] + line \
            + CANNED[end:].replace("(101:102)", "(101:101)")
        result = self.convert(text)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.converted()[1][-7:], [
            ("alloc", 3), ("free", 2), ("alloc", 4), ("free", 4),
            ("find", 3), ("free", 0), ("free", 3)])

    def test_reused_pid_is_a_new_process(self):
        result = self.convert(
            CANNED.replace("PERF_RECORD_FORK(104:104)",
                           "PERF_RECORD_EXIT(101:102):(100:100)\n" +
                           "  100/100      10.000001150: "
                           "PERF_RECORD_FORK(101:101)")
            .replace("  101/102      10.000001200: "
                     "PERF_RECORD_EXIT(101:102):(100:100)\n", "")
            .replace("104/104", "101/101"))
        self.assertEqual(result.returncode, 0, result.stderr)
        header, operations = self.converted()
        self.assertEqual(header["processes"], 4)
        self.assertEqual(operations[-5:], [
            ("free", 2), ("alloc", 3), ("find", 3), ("free", 0),
            ("free", 3)])

    def test_lost_events(self):
        line = "  101/101      10.000000450: PERF_RECORD_LOST lost 138\n"
        at = CANNED.index("  101/101      10.000000500")
        text = CANNED[:at] + line + CANNED[at:]
        self.refused(self.convert(text), 121, "138 events were lost")
        result = self.convert(text, "--allow-lost")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.converted()[0]["lost"], 138)

    def test_fault_after_exit_is_a_loss(self):
        text = CANNED + FIRST_FAULT.replace("10.0", "13.0")
        self.refused(self.convert(text), 121, "1 events were lost")

    def test_fork_of_a_live_process_is_a_loss(self):
        line = "  100/100      11.000000000: " \
            "PERF_RECORD_FORK(104:104):(100:100)\n"
        at = CANNED.index("  100/100      12.5")
        text = CANNED[:at] + line + CANNED[at:]
        self.refused(self.convert(text), 121, "1 events were lost")

    def test_bad_recordings(self):
        for text in (
                CANNED + "garbage\n",
                CANNED.replace("1 page-faults:u", "1 cycles:u"),
                CANNED.replace("1 page-faults:u", "100 page-faults:u"),
                CANNED.replace("(101:101):(100:100)", "(101:101):(100)", 1),
                CANNED[:-20]):
            self.refused(self.convert(text), 122, "is not a page fault")
        self.refused(self.convert(CANNED.replace("12.5", " 9.5")), 122,
                     "not in time order")

    def test_nothing_recorded(self):
        for text in ("", "\n", CANNED.splitlines()[0] + "\n"):
            self.refused(self.convert(text), 120, "no page fault")

    def test_damaged_trace(self):
        self.convert(CANNED)
        with open(self.output, "rb") as file:
            good = file.read()
        for size in range(len(good)):
            result = self.run_tool("--stats", self.file("bad", good[:size]))
            self.assertEqual(result.returncode, 123, size)
        for at in range(len(good)):
            bad = bytearray(good)
            bad[at] ^= 1 << at % 8
            result = self.run_tool("--stats", self.file("bad", bytes(bad)))
            self.assertEqual(result.returncode, 123, at)
            self.assertEqual(result.stdout, "")
        result = self.run_tool("--stats", self.path("missing"))
        self.assertEqual(result.returncode, 125)

    def test_records_a_command(self):
        canned = self.file("canned", CANNED)
        result = self.run_tool("-o", self.output, "--", "sh", "-c",
                               "echo said", CANNED=canned)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, "said\n")
        self.assertEqual(self.converted()[1], CANNED_OPS)

    def test_converts_a_recording(self):
        data = self.file("perf.data", CANNED)
        result = self.run_tool("-o", self.output, "--perf-data", data)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.converted()[1], CANNED_OPS)

    def test_unreadable_recording(self):
        data = self.file("perf.data", CANNED)
        self.refused(self.run_tool("-o", self.output, "--perf-data", data,
                                   UNREADABLE="1"), 122, "bad magic")
        self.refused(self.run_tool("-o", self.output, "--perf-data",
                                   self.path("missing")), 125, "missing")

    def test_perf_missing_or_denied(self):
        self.perf = self.path("no-perf")
        self.refused(self.run_tool("-o", self.output, "true"), 124,
                     "perf not found")
        self.perf = self.path("perf")
        self.refused(self.run_tool("-o", self.output, "true", DENY="1"), 124,
                     "No permission")

    def test_command_fails(self):
        canned = self.file("canned", CANNED)

        def run(*command):
            return self.run_tool("-o", self.output, *command, CANNED=canned)

        self.refused(run("sh", "-c", "exit 7"), 7, "failed with status 7")
        self.refused(run("sh", "-c", "kill -TERM $PPID; sleep 1"),
                     128 + signal.SIGTERM, "failed with signal 15")
        self.refused(run(self.path("missing")), 127, "not found")
        self.refused(run(canned), 126, "cannot be executed")

    def test_usage(self):
        script = self.file("script.txt", CANNED)
        for arguments in (
                [], ["true"], ["-o", self.output], ["--stats"],
                ["--stats", script, "true"],
                ["-o", self.output, "--perf-script", script, "true"],
                ["-o", self.output, "--unknown"]):
            self.refused(self.run_tool(*arguments), 125, "see --help")
        self.refused(self.run_tool("-o", self.path("none/out"), "true"), 125,
                     "cannot write there")

    def test_failure_keeps_an_old_trace(self):
        self.convert(CANNED)
        before = self.converted()
        self.assertEqual(self.convert("garbage\n").returncode, 122)
        self.assertEqual(self.converted(), before)
        self.assertEqual(sorted(os.listdir(self.directory)),
                         ["out.trace", "perf", "script.txt"])
        os.unlink(self.output)
        os.mkdir(self.output)
        self.assertEqual(self.convert(CANNED).returncode, 125)
        self.assertEqual(sorted(os.listdir(self.directory)),
                         ["out.trace", "perf", "script.txt"])

    def test_committed_traces(self):
        self.assertTrue(TRACES)
        for path in TRACES:
            result = self.run_tool("--stats", path)
            self.assertEqual(result.returncode, 0, result.stderr)
            with open(path, "rb") as file:
                header, operations = unpack(file.read())
            live = set()
            most = finds = 0
            for kind, process in operations:
                if kind == "alloc":
                    live.add(process)
                    most = max(most, len(live))
                elif kind == "free":
                    live.remove(process)
                else:
                    finds += 1
                    self.assertIn(process, live)
            self.assertEqual((finds, most, live), (
                header["finds"], header["max_live"], set()))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    PROGRAM, TRACES = sys.argv[1], sys.argv[2:]
    unittest.main(argv=sys.argv[:1])
