#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""Every implementation runs through every program and answers right."""

import json
import os
import re
import subprocess
import unittest

import figures

HERE = os.path.join(os.getcwd(), "bench")
TRACES = sorted(os.path.join(HERE, "traces", name)
                for name in os.listdir(os.path.join(HERE, "traces"))
                if name.endswith(".trace"))
TRACE_NAMES = [os.path.basename(t).split(".")[0] for t in TRACES]


def run(program, *options):
    done = subprocess.run([os.path.join(HERE, program), *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def left_out(stderr):
    return {line.split(" left out: ")[0] for line in stderr.splitlines()
            if " left out: " in line}


class Smoke(unittest.TestCase):
    def setUp(self):
        _, stderr = run("churn", "--benchmark_list_tests")
        self.absent = left_out(stderr)
        self.impls = [i for i in figures.ORDER if i not in self.absent]

    def names(self, program, *traces):
        out, err = run(program, "--benchmark_list_tests", *traces)
        names = [figures.shared_name(n) for n in out.split()]
        self.assertEqual(len(names), len(set(names)))
        return set(names), left_out(err)

    def results(self, program, pattern, *traces, seconds=0.001):
        out, _ = run(program, "--benchmark_filter=" + pattern,
                     "--benchmark_min_time=%g" % seconds,
                     "--benchmark_format=json", *traces)
        found = figures.figures([json.loads(out)])
        self.assertTrue(all(f.ns > 0 for f in found.values()))
        return found

    def test_names(self):
        names, out = self.names("lookup")
        expected = set()
        for impl in self.impls:
            for pattern in ("chain", "stream", "miss", "scatter"):
                for ids in figures.SIZES:
                    if "lookup/%s/%s/ids:%d" % (impl, pattern, ids) in out:
                        continue
                    for writers in (0, 1):
                        expected.add(figures.lookup(impl, pattern, ids,
                                                    writers))
        self.assertEqual(names, expected)
        for impl in self.impls:
            self.assertIn(figures.lookup(impl, "chain", 1000000, 1), names)
        self.assertIn(figures.lookup("hash", "scatter", 1000000), names)
        self.assertEqual(self.names("churn")[0],
                         {figures.churn(i, n) for i in self.impls
                          if i != "raw_array" for n in figures.SIZES})
        self.assertTrue(TRACES)
        self.assertEqual(self.names("replay", *TRACES)[0],
                         {"replay/%s/%s" % (i, t) for i in self.impls
                          for t in TRACE_NAMES})

    def test_lookup(self):
        found = self.results("lookup", "ids:1000/")
        self.assertEqual({n.split("/")[1] for n in found}, set(self.impls))
        for impl in self.impls:
            name = figures.lookup(impl, "chain", 1000, 1)
            # A run may be too short for the writer to get a CPU.
            for seconds in (0.1, 1, 10):
                if found[name].pairs_per_s > 0:
                    break
                found.update(self.results("lookup", name + "/",
                                          seconds=seconds))
            self.assertGreater(found[name].pairs_per_s, 0)

    def test_churn(self):
        found = self.results("churn", "ids:1000/")
        self.assertEqual(len(found), len(self.impls) - 1)

    def test_replay(self):
        smallest = min(TRACES, key=os.path.getsize)
        found = self.results("replay", ".", smallest)
        self.assertEqual(len(found), len(self.impls))

    def test_memory(self):
        out, _ = run("memory", "20000")
        entries = [json.loads(line) for line in out.splitlines()]
        for e in entries:
            self.assertEqual(set(e), {"impl", "pattern", "ids", "bytes_per_id"})
            self.assertEqual(e["ids"], 20000)
            # Less than a pointer and an owner it cannot be.
            self.assertGreater(e["bytes_per_id"], 12, e)
            self.assertLess(e["bytes_per_id"], 8192, e)
        held = {(e["impl"], e["pattern"]) for e in entries}
        for impl in self.impls:
            if not impl.endswith("_epoch"):
                self.assertIn((impl, "dense"), held)
        self.assertIn(("hash", "scattered"), held)

    def test_bad_arguments(self):
        for command in (["memory", "0"], ["memory", "x"], ["replay"],
                        ["replay", os.path.join(HERE, "no-such.trace")],
                        ["replay", os.path.join(HERE, "figures.py")],
                        ["lookup", "stray"], ["churn", "--stray"]):
            done = subprocess.run([os.path.join(HERE, command[0])] +
                                  command[1:], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 1, command)
            self.assertTrue(re.search(r"\S", done.stderr), command)


if __name__ == "__main__":
    unittest.main()
