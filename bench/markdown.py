# SPDX-License-Identifier: MIT
"""docs/performance.md, from the bars of one run."""

import figures

RUN = "./bazelw run -c opt //bench:%s -- %s"


def command(what, against):
    impl = what.split()[0]
    filtered = "--benchmark_filter='%s' --benchmark_repetitions=9"
    if "memory" in what:
        return RUN % ("memory", "1000000")
    if "free + alloc" in what:
        return RUN % ("churn", filtered % ("churn/(%s|%s)/" % (impl, against)))
    if "epoch" in what:
        return RUN % ("section", filtered % ("/%s/(epoch|qsbr)/%s/" % (
            impl, "find" if "find" in what else "chain")))
    if "one writer" in what:
        return RUN % ("lookup", filtered % ("/%s/chain/" % impl))
    pattern = "scatter" if "scatter" in what else "chain"
    return RUN % ("lookup", filtered %
                  ("/(%s|%s)/%s/.*/writers:0" % (impl, against, pattern)))


def table(bars):
    groups = {}
    for bar in bars:
        groups.setdefault((bar.what, bar.against), []).append(bar)
    commands = []
    rows = []
    for (what, against), group in groups.items():
        line = command(what, against)
        if line not in commands:
            commands.append(line)
        cells = {b.size: b for b in group}

        def cell(size):
            if size not in cells:
                return ""
            bar = cells[size]
            if bar.value is None:
                return "not measured"
            text = "%.2f" % bar.value
            return text if bar.met else "**%s**" % text

        limits = [b.limit for b in group]
        bar = group[0].sense.replace("<=", "≤").replace(">=", "≥") + " " + (
            " / ".join("%g" % n for n in limits) if len(set(limits)) > 1
            else "%g" % limits[0])
        missed = [b for b in group if b.met is not True]
        verdict = "met" if not missed else (
            "not met" if len(missed) == len(group) else
            "not met at " + ", ".join(format(b.size, ",") for b in missed))
        rows.append("| %s | %s | %s %s | %s | %d |" % (
            what + (" against " + against if against else ""),
            " | ".join(cell(s) for s in figures.SIZES), bar, group[0].unit,
            verdict, commands.index(line) + 1))
    return rows, commands


def tails(found):
    """Rows of median and 99.9th percentile, a pair a number of IDs."""
    rows = []
    for impl in figures.ORDER:
        cells = []
        for writers in (0, 1):
            for size in figures.SIZES:
                f = found.get(figures.lookup(impl, "chain", size, writers))
                cells.append("" if f is None or f.p999 is None else
                             "%.0f / %.0f" % (f.p50, f.p999))
        if any(cells):
            rows.append("| %s | %s |" % (impl, " | ".join(cells)))
    return rows


def added(found):
    """Rows of what a read section adds to a lookup, by store and size."""
    rows = []
    for flavour, pattern in figures.ADDED:
        cells = []
        for impl in figures.STORES:
            for size in figures.SIZES:
                f = found.get(figures.section(impl, flavour, pattern, size))
                cells.append("" if f is None else "%.2f" % f.ns)
        rows.append("| %s, %s | %s |" % (flavour, pattern, " | ".join(cells)))
    return rows


def waits(found):
    """Head and rows of waits for a grace period, ratios last."""
    columns = figures.wait_columns()
    rows = ["| %s |" % " | ".join(["others", "threads", "callers"] +
                                  [h for h, _, _ in columns]),
            "|---|--:|--:|%s" % ("--:|" * len(columns))]
    for wait in figures.waits(found):
        cells = []
        for _, impl, peer in columns:
            value = figures.wait_value(wait, impl, peer)
            cells.append("" if value is None else
                         ("%.2f" if peer else "%.0f") % value)
        rows.append("| %s | %d | %d | %s |" % (
            wait.state, wait.threads, wait.callers, " | ".join(cells)))
    return rows


def given_back(stages):
    """Rows of KiB held, by the store's count and by the process's."""
    return ["| %s, %s %s | %s |" % (
        impl, format(ids, ","), pattern, " | ".join(
            " / ".join(format(round(n / 1024), ",") for n in held[stage])
            for stage in figures.STAGES))
            for (impl, pattern, ids), held in stages.items()]


def render(bars, machine, found, stages):
    rows, commands = table(bars)
    met = sum(b.met is True for b in bars)
    # The notes are about causes; every figure is the run's.
    return """# Performance

The targets of the project and what was measured, by

    ./bazelw run -c opt //bench:report -- --markdown docs/performance.md --picture docs/lookup.svg

on %s, %s, %s, %s. All ratios are of medians within
this run; bold figures miss their bar. **%d of %d bars are met.** What is measured, and how the peers are treated, is in
[bench/README.md](../bench/README.md).

| figure | 1,000 IDs | 65,536 IDs | 1,000,000 IDs | bar | | command |
|---|--:|--:|--:|---|---|--:|
%s
| lookups: atomic read-modify-writes, shared lines written | | | | 0, 0 | see %d | %d |

Each line alone:

%s

## The slowest in a thousand

Median / 99.9th percentile in ns of the time of %d lookups in a row, chain:

| | 1,000 | 65,536 | 1,000,000 | 1,000, one writer | 65,536, one writer | 1,000,000, one writer |
|---|--:|--:|--:|--:|--:|--:|
%s

## Waiting for a grace period

ns a call of synchronize takes beside registered threads that are idle, of which one reads without pause, or which all read now and
then; beside more callers than one, time per call of them all. Ours are epoch, fence (epoch without membarrier) and qsbr; ratios
below 1: ours is faster.

%s

`./bazelw run -c opt //bench:synchronize -- --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true`

## What a read section of epoch adds

ns to a lookup over a section of qsbr, median of differences within pairs of runs in one structure: with a section around each
lookup (chain, stream), and by ioasid_space_find() (find, a chain). qsbr against itself is what the method adds.

| | bitmap, 1,000 | 65,536 | 1,000,000 | radix, 1,000 | 65,536 | 1,000,000 | hash, 1,000 | 65,536 | 1,000,000 |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
%s

## Memory given back

KiB held by the store's own count / by the process: by an empty space, with all IDs live, after all were freed and a grace period
passed, and after `ioasid_space_trim()`. A reserved range counts whole in the former, touched or not.

| | empty | full | freed | trimmed |
|---|--:|--:|--:|--:|
%s

`./bazelw run -c opt //bench:memory -- 1000000`

## Behind the misses

**Free and alloc.** The bar was set against a peer of some 210 ns a pair. The same code built as fairly as
[bench/peers/linux](../bench/peers/linux/README.md) says (slab caches, batches reclaimed at once, the walk inlined) takes a fraction of
that. A pair here is two critical sections of one atomic read-modify-write each, and one compare-and-swap because references are
taken without the lock: with these three alone the bar would be out of reach.

**Radix against linux_ioasid.** Both are trees. Where all fits the first-level cache, a lookup is a few dependent loads against a
few more; at 1,000,000 IDs each pays its misses, and no lookup that touches memory at all is faster than raw_array, which stands
beside it in the plot.

**Hash beside a writer.** Slots of readers and writer share cache lines, as IDs are placed at random; a line just written on the other
processor is fetched from there. Of the 32 lookups whose median is taken, some always meet one. Dense stores keep a writer's range
apart.

**1,000,000 IDs.** Nothing can be faster than raw_array. Where it came out slower, the run shows how much two pieces of memory of
one virtual machine differ (huge pages of the guest need not be huge on its host): at this size trust only what repeats.
""" % (machine["cpu"], machine["kernel"], machine["compiler"], machine["date"],
       met, len(bars), "\n".join(rows),
       len(commands) + 1, len(commands) + 1,
       "\n".join("%d. `%s`" % (i + 1, c) for i, c in enumerate(
           commands + ["./bazelw test //bench:readonly_test"])),
       figures.SAMPLE, "\n".join(tails(found)), "\n".join(waits(found)),
       "\n".join(added(found)), "\n".join(given_back(stages)))
