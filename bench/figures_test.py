#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""Ratios and bars on canned results, wrong ones among them."""

import copy
import json
import re
import unittest
from unittest import mock

import figures
import markdown
import page
import reasons
import tables


def entry(name, ns, **more):
    result = {"run_name": name + "/real_time", "run_type": "iteration",
              "time_unit": "ns", "real_time": ns, "cpu_time": ns}
    result.update(more)
    return result


# What lookups of the rest take, and pairs.
PEERS = {"bitmap_epoch": 13, "radix_epoch": 19, "hash_epoch": 31,
         "tbb_hash": 60, "rwlock_map": 61}


def canned():
    """Results that meet every bar."""
    lookup, sizes = figures.lookup, figures.SIZES
    entries = []

    def add(name, ns, **more):
        for drift in (0.9, 1.0, 1.3):
            entries.append(entry(name, ns * drift, **more))

    def both(impl, ids, ns):
        add(lookup(impl, "chain", ids), ns, **{"p50_of_32_ns": 300,
                                               "p99.9_of_32_ns": 800,
                                               "p99.99_of_32_ns": 2000})
        add(lookup(impl, "chain", ids, 1), ns,
            **{"p50_of_32_ns": 330, "p99.9_of_32_ns": 900,
               "p99.99_of_32_ns": 1000 if impl == "raw_array" else 1900,
               "writer_pairs_per_s": 1e6})

    for ids in sizes:
        # Slower where nothing is in a cache: bars of 1,000,000 are closer.
        floor = 12 if ids == 1000000 else 10
        for impl, ns in {"raw_array": floor, "linux_ioasid": 100, "bitmap": 12,
                         "radix": 13 if ids == 1000000 else 18, "hash": 30,
                         "urcu_lfht": 70, "ck_ht": 71, **PEERS}.items():
            both(impl, ids, ns)
        for impl, ns in (("bitmap", 12), ("radix", 18), ("hash", 30)):
            for pattern in ("chain", "stream", "find"):
                add(figures.section(impl, "epoch", pattern, ids), 2 * ns,
                    add_ns=0.4)
            add(figures.section(impl, "qsbr", "chain", ids), 2 * ns, add_ns=0.01)
            add(figures.section(impl, "fence", "chain", ids), 2 * ns, add_ns=5)
        for impl, ns in {"hash": 20, "urcu_lfht": 50, "ck_ht": 41, "radix": 32,
                         "linux_ioasid": 33, "radix_epoch": 34,
                         "hash_epoch": 35, "tbb_hash": 36,
                         "rwlock_map": 37}.items():
            add(lookup(impl, "scatter", ids), ns)
        for pattern in figures.PATTERNS:
            for impl, ns in {"linux_ioasid": 200, "bitmap": 20, "radix": 24,
                             "hash": 60, "urcu_lfht": 61, "ck_ht": 62,
                             **PEERS}.items():
                if pattern == "fill" and ids == 1000 or \
                        pattern == "batch2000" and ids == 1000:
                    continue
                add(figures.churn(impl, pattern, ids), ns)
    for trace in ("some-build", "other-build"):
        for impl, ns in {"raw_array": 1, "bitmap": 3, "radix": 4, "hash": 5,
                         "linux_ioasid": 7, "urcu_lfht": 8, "ck_ht": 9,
                         **PEERS}.items():
            add("replay/%s/%s" % (impl, trace), ns)
    for impl, ns in (("epoch", 200), ("fence", 50), ("qsbr", 40),
                     ("urcu_memb", 400), ("urcu_qsbr", 80), ("urcu_bp", 800)):
        for callers in (1, 4):
            add(figures.synchronize(impl, "idle", 16, callers), ns * callers,
                ns_by_all=ns / 2)
    return {"benchmarks": entries}


MEMORY = [json.dumps({"impl": i, "pattern": p, "ids": 1000000,
                      "bytes_per_id": b})
          for i, p, b in [("bitmap", "dense", 16.1), ("radix", "dense", 17),
                          ("hash", "scattered", 33)] +
          [(i, "dense", 40) for i in figures.ORDER
           if i not in ("bitmap", "radix")]]
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
        self.assertEqual(len(bars), 3 * 2 + 2 * 2 + 2 * 2 + 3 * (2 + 9 + 3 + 3 + 3) +
                         3 * 3 + 2 * 2 + 2 * 2 + 3)

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
            (lookup("linux_ioasid", "chain", 65536), 0.35, "cpu_time",
             {("bitmap lookup, chain", "linux_ioasid", 65536),
              ("radix lookup, chain", "linux_ioasid", 65536)}),
            (lookup("radix", "chain", 1000000), 1.1, "cpu_time",
             {("radix lookup, chain", "raw_array", 1000000)}),
            ("replay/radix/some-build", 1.3, "cpu_time",
             {("radix replay of some-build", "linux_ioasid", None)}),
            (lookup("hash", "scatter", 1000), 1.03, "cpu_time",
             {("hash lookup, scatter", "ck_ht", 1000)}),
            (figures.section("hash", "epoch", "chain", 1000), 1.3, "add_ns",
             {("hash section, chain, epoch", "qsbr", 1000)}),
            (figures.section("bitmap", "epoch", "stream", 1000), 1.3, "add_ns",
             {("bitmap section, stream, epoch", "qsbr", 1000)}),
            (figures.section("radix", "epoch", "find", 65536), 1.3, "add_ns",
             {("radix find, epoch", "qsbr", 65536)}),
            (lookup("radix", "chain", 65536, 1), 1.2, "p50_of_32_ns",
             {("radix median, one writer", "no writer", 65536)}),
            (lookup("radix", "chain", 65536, 1), 1.1, "p99.99_of_32_ns",
             {("radix p99.99, one writer", "raw_array", 65536)}),
            (figures.churn("bitmap", "pair", 1000000), 2.1, "real_time",
             {("bitmap free + alloc", "linux_ioasid", 1000000)}),
            (figures.churn("hash", "pair", 65536), 1.15, "real_time",
             {("hash free + alloc", "linux_ioasid", 65536)}),
            (figures.churn("hash", "pair", 1000), 50000, "real_time",
             {("hash free + alloc", "linux_ioasid", 1000),
              ("hash free + alloc", "radix", 1000)}),
            (figures.churn("hash", "batch2000", 65536), 1.3, "real_time",
             {("hash free + alloc, batches of 2,000", "radix", 65536)}),
            (figures.churn("hash", "fill", 1000000), 1.3, "real_time",
             {("hash fill from 1 on", "radix", 1000000)}),
            (figures.synchronize("qsbr", "idle", 16, 4), 2.1, "ns_by_all",
             {("qsbr wait, idle, 16 threads, 4 callers", "urcu_qsbr", None)}),
            (figures.synchronize("epoch", "idle", 16), 2.1, "real_time",
             {("epoch wait, idle, 16 threads, 1 callers",
               "urcu_memb and urcu_bp", None)}),
        ]
        for name, factor, key, expected in cases:
            bars = judge(plant(canned(), name, factor, key))
            missed = {(b.what, b.against, b.size) for b in bars
                      if b.met is False}
            self.assertEqual(missed, expected, name)

    def test_planted_memory(self):
        for i, line in enumerate(MEMORY[:3]):
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
        # Before what meets its bar.
        self.assertEqual({b.met for group in figures.worst_first(bars)[:4]
                          for b in group}, {None})
        self.assertTrue(all(b.value is None for b in unknown))

    def test_worst_first(self):
        document = plant(canned(), figures.churn("hash", "pair", 1000), 50000,
                         "real_time")
        plant(document, figures.lookup("bitmap", "chain", 1000), 1.2)
        groups = figures.worst_first(judge(document))
        self.assertEqual([(g[0].what, g[0].against) for g in groups[:3]],
                         [("hash free + alloc", "linux_ioasid"),
                          ("hash free + alloc", "radix"),
                          ("bitmap lookup, chain", "raw_array")])
        self.assertAlmostEqual(figures.off(groups[2][0]), 1.2 * 1.2 / 1.25)
        self.assertEqual(reasons.missed(groups), ["update", "levels", "floor"])

    def test_every_kind_has_its_reason(self):
        self.assertEqual({b.kind for b in judge(canned())}, set(reasons.WHY))

    def test_cut_short(self):
        name = figures.churn("hash", "fill", 65536)
        found = figures.figures([{"benchmarks": [
            entry(name, 5000, cut_short_at=3000)]}])
        self.assertTrue(found[name].cut_short)
        row = next(r for r in tables.updates(found).rows if r[0] == "hash")
        self.assertEqual(row[-1], "– / > 5,000 / –")

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
        self.assertIn("<td>17,408 / 17,412</td><td>5 / 9</td>", text)

    def test_says_not_met(self):
        document = plant(canned(), figures.lookup("bitmap", "chain", 1000), 2)
        text = self.render(document)
        self.assertIn("not met, 1.92 x off", text)
        self.assertIn(reasons.text("floor")[:40], text)

    def test_off_scale(self):
        low = {"a": {1: 5}, "b": {1: 9}}
        self.assertEqual(page.off_scale([("", low)]), set())
        self.assertEqual(page.off_scale([("", dict(low, c={1: 500}))]), {"c"})

    def test_ids_are_unique(self):
        ids = re.findall(r' id="([^"]+)"', self.render(canned()))
        self.assertEqual(len(ids), len(set(ids)))


def written(document, kept=None):
    found = figures.figures([document])
    kept = figures.memory(MEMORY if kept is None else kept)
    return markdown.render(
        figures.bars(found, kept),
        dict.fromkeys(("cpu", "kernel", "compiler", "date"), "some"),
        found, kept, figures.stages(STAGES))


def cells(text):
    """{heading: rows of cells} of the tables of a Markdown document."""
    result = {}
    heading = None
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("|"):
            result.setdefault(heading, []).append(
                [c.strip() for c in line.strip("|").split("|")])
    return result


def lacking(text):
    """(heading, implementation) where a table does not have one."""
    result = []
    for heading, rows in cells(text).items():
        if heading in ("Performance", "Memory given back"):
            # Bars; and what only ours can be asked for.
            continue
        names = {row[0].split(",")[0] for row in rows} | set(rows[0])
        expected = (figures.WAITS if heading == "Waiting for a grace period"
                    else figures.STORES if heading == "What a read section adds"
                    else IMPLEMENTATIONS)
        result += [(heading, impl) for impl in expected if impl not in names]
    return result


# Not figures.ORDER, which is what the tables are made from.
IMPLEMENTATIONS = ("raw_array", "bitmap", "bitmap_epoch", "radix",
                   "radix_epoch", "hash", "hash_epoch", "linux_ioasid",
                   "urcu_lfht", "ck_ht", "tbb_hash", "rwlock_map")


class Markdown(unittest.TestCase):
    def test_met(self):
        text = written(canned())
        self.assertNotIn("why", text)
        self.assertNotIn("| **", text)
        rows = cells(text)
        self.assertEqual(len(rows), 1 + 9)
        tail = {r[0]: r for r in rows["The slowest in a thousand"]}
        self.assertEqual(tail["bitmap"], ["bitmap"] + 3 * ["300 / 800 / 2000"] +
                         3 * ["330 / 900 / 1900"])
        self.assertIn("| idle, 16, 1 | 200 | 50 | 40 | 400 | 800 | 80 | 0.50 "
                      "| 0.25 | 0.50 |", text)
        self.assertIn("| bitmap, epoch, find | 0.40 | 0.40 | 0.40 |", text)
        self.assertIn("| radix, fence, chain | 5.00 | 5.00 | 5.00 |", text)
        self.assertIn("| radix, 1,000,000 dense | 1 / 5 | 17,408 / 17,412 | "
                      "5 / 9 | 2 / 6 |", text)
        pairs = {r[0]: r for r in rows["Free and allocate"]}
        self.assertEqual(pairs["hash"][1:3], 2 * ["60 / 60 / 60"])
        self.assertEqual(pairs["hash"][3], "– / 60 / 60")

    def test_every_implementation(self):
        self.assertEqual(lacking(written(canned())), [])
        # Whatever was measured of it.
        self.assertEqual(lacking(written({"benchmarks": []}, [])), [])

    def test_one_left_out_is_seen(self):
        for impl in IMPLEMENTATIONS:
            order = tuple(i for i in figures.ORDER if i != impl)
            with mock.patch.object(figures, "ORDER", order):
                self.assertEqual({i for _, i in lacking(written(canned()))},
                                 {impl})
        stores = tuple(s for s in figures.STORES if s != "hash")
        with mock.patch.object(figures, "STORES", stores):
            self.assertNotIn("hash, epoch, chain", written(canned()))

    def test_missed(self):
        slow = plant(canned(), figures.lookup("bitmap", "chain", 1000), 2)
        plant(slow, figures.churn("hash", "pair", 65536), 50000, "real_time")
        text = written(slow, [])
        rows = cells(text)["Performance"]
        self.assertEqual([r[0] for r in rows[2:5]], [
            "hash free + alloc against linux_ioasid",
            "hash free + alloc against radix",
            "bitmap lookup, chain against raw_array"])
        self.assertEqual(rows[4][1:4], ["**2.40**", "1.20", "1.00"])
        self.assertEqual(rows[4][5], "≤ 1.25 / 1.25 / 1.1 x as long")
        self.assertEqual(rows[3][6], "41,667 times off: "
                         "[why](#updates-of-the-hash-against-radix)")
        self.assertEqual(rows[4][6],
                         "92 % off: [why](#lookups-against-a-plain-array)")
        self.assertIn("not measured", text)
        # Each link has where it leads to.
        headings = {markdown.anchor(h.lstrip("# ")) for h in text.splitlines()
                    if h.startswith("#")}
        for target in re.findall(r"\[why\]\(#([^)]*)\)", text):
            self.assertIn(target, headings)


if __name__ == "__main__":
    unittest.main()
