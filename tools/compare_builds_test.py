#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""compare_builds tells the slower build, by stand-ins for both."""

import os
import re
import subprocess
import tempfile
import unittest

TOOL = os.path.join(os.getcwd(), "tools", "compare_builds")

STAND_IN = """#!/usr/bin/python3
import json, os, sys
options = dict(a.split("=", 1) for a in sys.argv[1:] if "=" in a)
open({log!r}, "a").write(os.path.basename(sys.argv[0]) + " ")
names = {names!r}
document = {{"benchmarks": [
    {{"run_name": n, "run_type": "iteration", "time_unit": "ns",
      "real_time": ns, "cpu_time": ns, **{more!r}}}
    for n, ns in names.items() if options["--benchmark_filter"] in n]}}
json.dump(document, open(options["--benchmark_out"], "w"))
"""


class Compare(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def stand_in(self, name, names, **more):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as program:
            program.write(STAND_IN.format(
                names=names, more=more,
                log=os.path.join(self.folder.name, "log")))
        os.chmod(path, 0o755)
        return path

    def compare(self, old, new, *options):
        done = subprocess.run(
            [TOOL, old, new, "--rounds", "5", *options,
             "--benchmark_filter=/"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def test_ratio(self):
        old = self.stand_in("old", {"churn/radix/pair/ids:1000/manual_time": 10,
                                    "lookup/radix/chain/ids:1000/writers:0": 4,
                                    "churn/hash/pair/ids:1000": 1})
        new = self.stand_in("new", {"churn/radix/pair/ids:1000/manual_time": 20,
                                    "lookup/radix/chain/ids:1000/writers:0": 4,
                                    "churn/bitmap/pair/ids:1000": 1})
        status, out = self.compare(old, new, "--limit", "1.5")
        ratios = {line.split()[0]: float(line.split()[3])
                  for line in out.splitlines() if re.search(r"\[", line)}
        self.assertEqual(ratios["churn/radix/pair/ids:1000"], 2)
        self.assertEqual(ratios["lookup/radix/chain/ids:1000/writers:0"], 1)
        self.assertIn("churn/hash/pair/ids:1000", out)
        self.assertIn("only in old", out)
        self.assertIn("only in new", out)
        self.assertIn("above the limit", out)
        self.assertEqual(status, 1)
        with open(os.path.join(self.folder.name, "log")) as log:
            calls = log.read().split()
        # In turn: in every round one of each.
        self.assertEqual(len(calls), 10)
        for i in range(0, 10, 2):
            self.assertEqual(set(calls[i:i + 2]), {"old", "new"})
        self.assertEqual(self.compare(old, new)[0], 0)
        self.assertEqual(self.compare(old, new, "--limit", "3")[0], 0)

    def test_wrong_answers(self):
        old = self.stand_in("old", {"churn/radix/pair/ids:1000": 10})
        new = self.stand_in("new", {"churn/radix/pair/ids:1000": 10},
                            error_occurred=True, error_message="wrong answer")
        status, out = self.compare(old, new)
        self.assertEqual(status, 1)
        self.assertIn("wrong answer", out)


if __name__ == "__main__":
    unittest.main()
