#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""Ratios and bars on canned results, wrong ones among them."""

import copy
import json
import unittest

import figures
import markdown
import page


def entry(name, ns, **more):
    result = {"run_name": name + "/real_time", "run_type": "iteration",
              "time_unit": "ns", "real_time": ns, "cpu_time": ns}
    result.update(more)
    return result


def canned():
    """Results that meet every bar."""
    lookup, sizes = figures.lookup, figures.SIZES
    entries = []

    def add(name, ns, **more):
        for drift in (0.9, 1.0, 1.3):
            entries.append(entry(name, ns * drift, **more))

    for ids in sizes:
        add(lookup("raw_array", "chain", ids), 10)
        add(lookup("linux_ioasid", "chain", ids), 100)
        for impl, ns in (("bitmap", 12), ("radix", 18), ("hash", 30)):
            add(lookup(impl, "chain", ids), ns, **{"p50_of_32_ns": 300})
            for pattern in ("chain", "stream", "find"):
                add(figures.section(impl, "epoch", pattern, ids), 2 * ns,
                    add_ns=0.4)
            add(figures.section(impl, "qsbr", "chain", ids), 2 * ns, add_ns=0.01)
            add(lookup(impl, "chain", ids, 1), ns,
                **{"p50_of_32_ns": 330, "p99.9_of_32_ns": 900,
                   "writer_pairs_per_s": 1e6})
        add(lookup("hash", "scatter", ids), 20)
        add(lookup("urcu_lfht", "scatter", ids), 50)
        add(lookup("ck_ht", "scatter", ids), 41)
        add(figures.churn("linux_ioasid", ids), 200)
        add(figures.churn("bitmap", ids), 20)
        add(figures.churn("radix", ids), 24)
    add("replay/bitmap/some-build", 3)
    for impl, ns in (("epoch", 200), ("fence", 50), ("qsbr", 40),
                     ("urcu_memb", 400), ("urcu_qsbr", 80), ("urcu_bp", 800)):
        for callers in (1, 4):
            add(figures.synchronize(impl, "idle", 16, callers), ns * callers,
                ns_by_all=ns / 2)
    return {"benchmarks": entries}


MEMORY = [json.dumps({"impl": i, "pattern": p, "ids": 1000000,
                      "bytes_per_id": b})
          for i, p, b in (("bitmap", "dense", 16.1), ("radix", "dense", 17),
                          ("hash", "scattered", 33))]
STAGES = [json.dumps({"impl": "radix", "pattern": "dense", "ids": 1000000,
                      "stage": s, "counted": b, "anonymous": b + 4096})
          for s, b in (("empty", 1024), ("full", 17 << 20), ("freed", 5120),
                       ("trimmed", 2048))]


def judge(document, memory=None):
    return figures.bars(figures.figures([document]),
                        figures.memory(MEMORY if memory is None else memory))


def plant(document, name, factor, key="cpu_time"):
    hits = 0
    for e in document["benchmarks"]:
        if figures.shared_name(e["run_name"]) == name:
            e[key] *= factor
            hits += 1
    assert hits
    return document


class Figures(unittest.TestCase):
    def test_all_met(self):
        bars = judge(canned())
        self.assertEqual([b for b in bars if b.met is not True], [])
        self.assertEqual(len(bars), 3 * (2 + 2 + 2 + 6 + 3 + 2) + 3)

    def test_median_over_documents(self):
        documents = [canned(), canned()]
        figure = figures.figures(documents)["lookup/raw_array/chain/ids:1000"
                                            "/writers:0"]
        self.assertEqual(figure.ns, 10)
        self.assertEqual(figure.count, 6)

    def test_planted(self):
        """Each bar turns when, and only when, its figure is made wrong."""
        lookup = figures.lookup
        cases = [
            (lookup("bitmap", "chain", 65536), 1.2, "cpu_time",
             {("bitmap lookup, chain", "raw_array", 65536)}),
            (lookup("radix", "chain", 1000), 1.2, "cpu_time",
             {("radix lookup, chain", "raw_array", 1000)}),
            (lookup("linux_ioasid", "chain", 1000000), 0.55, "cpu_time",
             {("bitmap lookup, chain", "linux_ioasid", 1000000),
              ("radix lookup, chain", "linux_ioasid", 1000000)}),
            (lookup("hash", "scatter", 1000), 1.03, "cpu_time",
             {("hash lookup, scatter", "ck_ht", 1000)}),
            (figures.section("hash", "epoch", "chain", 1000), 1.3, "add_ns",
             {("hash section, epoch", "qsbr", 1000)}),
            (figures.section("radix", "epoch", "find", 65536), 1.3, "add_ns",
             {("radix find, epoch", "qsbr", 65536)}),
            (lookup("radix", "chain", 65536, 1), 1.2, "p50_of_32_ns",
             {("radix median, one writer", "no writer", 65536)}),
            (figures.churn("radix", 1000), 1.1, "cpu_time",
             {("radix free + alloc", "linux_ioasid", 1000)}),
        ]
        for name, factor, key, expected in cases:
            bars = judge(plant(canned(), name, factor, key))
            missed = {(b.what, b.against, b.size) for b in bars
                      if b.met is False}
            self.assertEqual(missed, expected, name)

    def test_planted_memory(self):
        for i, line in enumerate(MEMORY):
            heavy = json.loads(line)
            heavy["bytes_per_id"] += 20
            lines = MEMORY[:i] + [json.dumps(heavy)] + MEMORY[i + 1:]
            missed = [b for b in judge(canned(), lines) if b.met is False]
            self.assertEqual(len(missed), 1)
            self.assertIn(heavy["impl"], missed[0].what)

    def test_missing_is_not_met(self):
        document = canned()
        document["benchmarks"] = [
            e for e in document["benchmarks"] if "ck_ht" not in e["run_name"]]
        bars = judge(document, [])
        unknown = [b for b in bars if b.met is None]
        self.assertEqual(len(unknown), 3 + 3)
        self.assertTrue(all(b.value is None for b in unknown))

    def test_bad_results(self):
        for change in ({"error_occurred": True, "error_message": "wrong answer"},
                       {"time_unit": "us"}, {"run_name": "lookup/radix"}):
            document = copy.deepcopy(canned())
            document["benchmarks"][0].update(change)
            with self.assertRaises(figures.BadResult):
                figures.figures([document])

    def test_missing_counters(self):
        for name in (figures.section("radix", "epoch", "chain", 1000),
                     figures.synchronize("epoch", "idle", 16, 4)):
            with self.assertRaises(figures.BadResult):
                figures.figures([{"benchmarks": [entry(name, 5)]}])

    def test_waits(self):
        found = figures.figures([canned()])
        del found[figures.synchronize("urcu_bp", "idle", 16, 4)]
        one, four = figures.waits(found)
        self.assertEqual((one.state, one.threads, one.callers),
                         ("idle", 16, 1))
        self.assertEqual(four.callers, 4)
        self.assertEqual(figures.wait_value(one, "epoch", None), 200)
        self.assertEqual(figures.wait_value(one, "epoch", "urcu_memb"), 0.5)
        # Of all callers together.
        self.assertEqual(figures.wait_value(four, "qsbr", None), 20)
        self.assertIsNone(figures.wait_value(four, "epoch", "urcu_bp"))
        self.assertEqual(len(figures.wait_columns()), 6 + 3)

    def test_stages(self):
        held = figures.stages(MEMORY + STAGES)
        self.assertEqual(list(held), [("radix", "dense", 1000000)])
        self.assertEqual(held["radix", "dense", 1000000]["freed"],
                         (5120, 9216))
        self.assertEqual(figures.memory(MEMORY + STAGES),
                         figures.memory(MEMORY))

    def test_time_of_locking_readers(self):
        entries = [entry("lookup/%s/chain/ids:1000/writers:1" % impl, 50,
                         cpu_time=5) for impl in ("rwlock_map", "bitmap")]
        found = figures.figures([{"benchmarks": entries}])
        self.assertEqual(sorted(f.ns for f in found.values()), [5, 50])

    def test_ratios(self):
        rows = {r[0]: r for r in figures.ratios(figures.figures([canned()]))}
        name, ns, others, floor = rows[figures.lookup("bitmap", "chain", 1000)]
        self.assertEqual(ns, 12)
        self.assertAlmostEqual(floor, 1.2)
        self.assertAlmostEqual(others["linux_ioasid"], 100 / 12)
        self.assertFalse([n for n in rows if n.startswith(("sec", "syn"))])


class Page(unittest.TestCase):
    def render(self, document):
        found = figures.figures([document])
        results = {"left_out": ["ck_ht left out: <b>"],
                   "machine": {"cpu": "a <cpu>", "load_before": 0}}
        return page.render(found, figures.memory(MEMORY),
                           figures.stages(STAGES), judge(document), results)

    def test_self_contained(self):
        text = self.render(canned())
        for outside in ("<link", "<script", "src=", "@import", "url(http"):
            self.assertNotIn(outside, text)
        self.assertIn("a &lt;cpu&gt;", text)
        self.assertIn("ck_ht left out: &lt;b&gt;", text)
        self.assertEqual(text.count("<svg"), 6)
        self.assertNotIn(page.TEXT, text)
        self.assertNotIn("not met", text)
        self.assertIn("<td>0.50</td><td>0.25</td>", text)
        self.assertIn("<td>17,408</td><td>5</td><td>2</td>", text)

    def test_says_not_met(self):
        document = plant(canned(), figures.lookup("bitmap", "chain", 1000), 2)
        text = self.render(document)
        self.assertIn("not met", text)

    def test_off_scale(self):
        low = {"a": {1: 5}, "b": {1: 9}}
        self.assertEqual(page.off_scale([("", low)]), set())
        self.assertEqual(page.off_scale([("", dict(low, c={1: 500}))]), {"c"})

    def test_ids_are_unique(self):
        ids = page.re.findall(r' id="([^"]+)"', self.render(canned()))
        self.assertEqual(len(ids), len(set(ids)))


class Markdown(unittest.TestCase):
    MACHINE = dict.fromkeys(("cpu", "kernel", "compiler", "date"), "some")

    def test_met(self):
        text = markdown.render(judge(canned()), self.MACHINE,
                               figures.figures([canned()]),
                               figures.stages(STAGES))
        self.assertNotIn("not met", text)
        self.assertNotIn("| **", text)
        self.assertRegex(text, r"\| bitmap \|  \|  \|  \| 330 / 900 \|")
        self.assertIn("| idle | 16 | 1 | 200 | 50 | 40 | 400 | 800 | 80 | 0.50 "
                      "| 0.25 | 0.50 |", text)
        self.assertIn("| epoch, find |" + 9 * " 0.40 |", text)
        self.assertIn("| qsbr, chain |" + 9 * " 0.01 |", text)
        self.assertIn("| radix, 1,000,000 dense | 1 / 5 | 17,408 / 17,412 | "
                      "5 / 9 | 2 / 6 |", text)

    def test_missed(self):
        slow = plant(canned(), figures.lookup("bitmap", "chain", 1000), 2)
        text = markdown.render(judge(slow, []), self.MACHINE,
                               figures.figures([slow]), {})
        row = next(line for line in text.splitlines()
                   if "against raw_array" in line)
        self.assertIn("| **2.40** | 1.20 | 1.20 |", row)
        self.assertIn("not met at 1,000 |", row)
        self.assertIn("not measured", text)


if __name__ == "__main__":
    unittest.main()
