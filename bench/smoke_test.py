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

    def results(self, program, pattern, *traces, seconds=0.001, low=0):
        out, _ = run(program, "--benchmark_filter=" + pattern,
                     "--benchmark_min_time=%g" % seconds,
                     "--benchmark_format=json", *traces)
        found = figures.figures([json.loads(out)])
        self.assertTrue(all(f.ns > low for f in found.values()))
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
        names, out = self.names("churn")
        expected = {figures.churn(i, p, n) for i in self.impls
                    if i != "raw_array" for p in figures.PATTERNS
                    for n in figures.SIZES if (p, n) != ("fill", 1000)}
        self.assertEqual(names, expected - out)
        # Left out is what cannot be, no more.
        for impl, pattern, ids in (n.split("/")[1:] for n in expected & out):
            self.assertIn(pattern, ("scatter", "batch2000"))
            self.assertNotIn((impl, pattern), (("hash", "scatter"),))
            self.assertEqual(pattern == "batch2000",
                             pattern != "scatter" and ids == "ids:1000")
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

    def test_section(self):
        names, _ = self.names("section")
        self.assertEqual(names, {
            figures.section(i, f, p, n) for i in figures.STORES
            for f in ("qsbr", "epoch", "fence")
            for p in ("chain", "stream", "find") for n in figures.SIZES})
        found = self.results("section", "ids:1000/", seconds=0.01, low=-1)
        self.assertEqual(len(found), 27)
        for impl in figures.STORES:
            # A full fence costs more than this on any machine.
            self.assertGreater(found[figures.section(
                impl, "fence", "stream", 1000)].ns, 0.2)

    def test_synchronize(self):
        names, out = self.names("synchronize")
        impls = [i for i in figures.WAITS if i not in out]
        self.assertIn("epoch", impls)
        self.assertEqual(names, {
            figures.synchronize(i, s, n) for i in impls
            for s in figures.STATES for n in (1, 16, 256)} | {
            figures.synchronize(i, "idle", 16, k) for i in impls
            for k in (4, 16)})
        found = self.results("synchronize", "threads:(1|16)/")
        self.assertEqual(len(found), len(impls) * 8)
        found = self.results("synchronize", "idle/threads:256/")
        self.assertEqual(len(found), len(impls))

    def test_churn(self):
        found = self.results("churn", "(pair|batch200|range)/ids:1000/")
        self.assertEqual(len(found), 3 * (len(self.impls) - 1))
        found = self.results("churn", "(batch2000|fill|scatter)/ids:65536/")
        self.assertEqual(len(found), 3 * (len(self.impls) - 1) -
                         len([i for i in self.impls if "bitmap" in i]))

    def test_replay(self):
        smallest = min(TRACES, key=os.path.getsize)
        found = self.results("replay", ".", smallest)
        self.assertEqual(len(found), len(self.impls))

    def test_memory(self):
        out, _ = run("memory", "20000")
        entries = [json.loads(line) for line in out.splitlines()]
        stages = figures.stages(out.splitlines())
        entries = [e for e in entries if "stage" not in e]
        for e in entries:
            self.assertEqual(set(e), {"impl", "pattern", "ids", "bytes_per_id"})
            self.assertEqual(e["ids"], 20000)
            # Less than a pointer and an owner it cannot be.
            self.assertGreater(e["bytes_per_id"], 12, e)
            self.assertLess(e["bytes_per_id"], 8192, e)
        held = {(e["impl"], e["pattern"]) for e in entries}
        for impl in self.impls:
            self.assertIn((impl, "dense"), held)
        self.assertIn(("hash", "scattered"), held)
        self.assertEqual(set(stages), {
            ("bitmap", "dense", 20000), ("radix", "dense", 20000),
            ("radix", "scattered", 20000), ("hash", "dense", 20000),
            ("hash", "scattered", 20000)})
        for key, kept in stages.items():
            self.assertEqual(tuple(kept), figures.STAGES)
            # Of what 20,000 IDs need at least, nearly all comes back; malloc
            # keeps 128 KiB for itself, and what lies between blocks in use.
            self.assertGreater(kept["full"][1] - kept["empty"][1], 300000, key)
            self.assertLess(kept["trimmed"][1] - kept["empty"][1], 229376, key)
            if key[0] != "bitmap":
                self.assertLess(kept["freed"][0], 16384, key)

    def test_bad_arguments(self):
        for command in (["memory", "0"], ["memory", "x"], ["replay"],
                        ["replay", os.path.join(HERE, "no-such.trace")],
                        ["replay", os.path.join(HERE, "figures.py")],
                        ["lookup", "stray"], ["churn", "--stray"],
                        ["section", "stray"], ["synchronize", "--stray"]):
            done = subprocess.run([os.path.join(HERE, command[0])] +
                                  command[1:], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 1, command)
            self.assertTrue(re.search(r"\S", done.stderr), command)


if __name__ == "__main__":
    unittest.main()
