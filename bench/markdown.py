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
    return """# Performance

The targets of the project and what was measured, by

    ./bazelw run -c opt //bench:report -- --markdown docs/performance.md

on %s, %s, %s, %s. All ratios are of medians within
this run; bold figures miss their bar. **%d of %d bars are met.** What is measured, and how the peers are treated, is in
[bench/README.md](../bench/README.md).

| figure | 1,000 IDs | 65,536 IDs | 1,000,000 IDs | bar | | command |
|---|--:|--:|--:|---|---|--:|
%s
| lookups: atomic read-modify-writes, shared lines written | | | | 0, 0 | see %d | %d |

Each line alone:

%s
""" % (machine["cpu"], machine["kernel"], machine["compiler"], machine["date"],
       met, len(bars), "\n".join(rows),
       len(commands) + 1, len(commands) + 1,
       "\n".join("%d. `%s`" % (i + 1, c) for i, c in enumerate(
           commands + ["./bazelw test //bench:readonly_test"])))
