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
        return RUN % ("lookup", filtered %
                      ("/%s(_epoch)?/chain/.*/writers:0" % impl))
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


def render(bars, machine):
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

## Behind the misses

**Free and alloc.** The bar was set against a peer of some 210 ns a pair. The same code built as fairly as
[bench/peers/linux](../bench/peers/linux/README.md) says (slab caches, batches reclaimed at once, the walk inlined) takes a fraction of
that. A pair here is two critical sections of one atomic read-modify-write each, and one compare-and-swap because references are
taken without the lock: with these three alone the bar would be out of reach.

**Radix against linux_ioasid.** Both are trees. Where all fits the first-level cache, a lookup is a few dependent loads against a
few more; at 1,000,000 IDs each pays its misses, and no lookup that touches memory at all is faster than raw_array, which stands
beside it in the plot.

**Hash beside a writer.** Slots of readers and writer share cache lines, as IDs are placed at random; a line just written on the other
processor is fetched from there. Dense stores keep a writer's range apart.

**Epoch against qsbr** is a difference of two figures of the same size; beyond the caches it is their noise.
""" % (machine["cpu"], machine["kernel"], machine["compiler"], machine["date"],
       met, len(bars), "\n".join(rows),
       len(commands) + 1, len(commands) + 1,
       "\n".join("%d. `%s`" % (i + 1, c) for i, c in enumerate(
           commands + ["./bazelw test //bench:readonly_test"])))
