# SPDX-License-Identifier: MIT
"""docs/performance.md, from the bars and tables of one run."""

import textwrap

import figures
import reasons
import tables

RUN = "./bazelw run -c opt //bench:"
WIDTH = 100


def command(bar):
    """What measures one figure alone."""
    impl = bar.what.split()[0]
    filtered = "%s -- --benchmark_filter='%s' --benchmark_repetitions=9"
    if bar.kind == "memory":
        return "memory -- 1000000"
    if bar.kind in ("update", "levels"):
        return filtered % ("churn", "churn/(%s|%s)/" % (impl, bar.against))
    if bar.kind == "section":
        pattern = "find" if "find" in bar.what else bar.what.split()[2].rstrip(
            ",")
        return filtered % ("section", "/%s/(epoch|qsbr)/%s/" % (impl, pattern))
    if bar.kind == "wait":
        return filtered % ("synchronize", "/(%s)/" % "|".join(
            [impl, *figures.WAITS[impl]]))
    if bar.kind == "replay":
        return filtered % ("replay", "/(%s|%s)/" % (impl, bar.against))
    if bar.kind == "writer":
        return filtered % ("lookup", "/%s/chain/" % impl)
    if bar.kind == "tail":
        return filtered % ("lookup", "/(%s|%s)/chain/.*/writers:1" % (
            impl, bar.against))
    pattern = "scatter" if bar.kind == "hash" else "chain"
    return filtered % ("lookup", "/(%s|%s)/%s/.*/writers:0" % (
        impl, bar.against, pattern))


def anchor(heading):
    """As GitHub names it."""
    return "".join(c for c in heading.lower().replace(" ", "-")
                   if c.isalnum() or c in "-_")


def limit(group):
    limits = [b.limit for b in group]
    return group[0].sense.replace("<=", "≤").replace(">=", "≥") + " " + (
        " / ".join("%g" % n for n in limits) if len(set(limits)) > 1
        else "%g" % limits[0]) + " " + group[0].unit


def verdict(group):
    """How far the worst of them is from its bar, and where it says why."""
    missed = [figures.off(b) for b in group if b.met is False]
    if missed:
        worst = max(missed)
        far = tables.number(worst) + " times off" if worst >= 2 else (
            "%.0f %% off" % max(1, 100 * (worst - 1)))
        return "%s: [why](#%s)" % (far, anchor(reasons.WHY[group[0].kind][0]))
    return "met" if all(b.met for b in group) else "not measured"


def bar_table(groups):
    commands, rows = [], []
    for group in groups:
        line = command(group[0])
        if line not in commands:
            commands.append(line)
        cells = {b.size: b for b in group}

        def cell(size):
            if size not in cells:
                return ""
            bar = cells[size]
            if bar.value is None:
                return tables.NOTHING
            text = ("%.2g" % bar.value if 0 < bar.value < 0.01 else
                    tables.number(bar.value, 2 if bar.value < 100 else None))
            return text if bar.met else "**%s**" % text

        rows.append([
            group[0].what + (" against " + group[0].against
                             if group[0].against else ""),
            *(cell(s) for s in (*figures.SIZES, None)), limit(group),
            verdict(group), str(commands.index(line) + 1)])
    return rows, commands


def table(head, rows, left=(0,)):
    return "\n".join(
        ["| %s |" % " | ".join(head),
         "|%s" % "".join("---|" if i in left else "--:|"
                         for i in range(len(head)))] +
        ["| %s |" % " | ".join(row) for row in rows])


def fill(text):
    return textwrap.fill(text, WIDTH, break_long_words=False,
                         break_on_hyphens=False)


def render(bars, machine, found, kept, held, left_out=()):
    groups = figures.worst_first(bars)
    rows, commands = bar_table(groups)
    met = sum(b.met is True for b in bars)
    left_out = [n for n in left_out if "/" not in n.split()[0]]
    rows.append(["lookups: atomic read-modify-writes, shared lines written",
                 "", "", "", "", "0, 0", "a test", str(len(commands) + 1)])
    parts = ["# Performance", fill(
        "The targets of the project and what was measured, by"),
        "    %sreport -- --markdown docs/performance.md --picture "
        "docs/lookup.svg" % RUN,
        fill("on %s, %s, %s, %s. All ratios are of medians within this run. "
             "**%d of %d bars are met**; what misses its bar by most comes "
             "first, figures that miss it are bold. What is measured, and how "
             "the peers are treated, is in [bench/README.md]"
             "(../bench/README.md). Every table has every implementation; %s "
             "is what one cannot do, or was not built with." % (
                 machine["cpu"], machine["kernel"], machine["compiler"],
                 machine["date"], met, len(bars), tables.NOTHING)),
        *(["Left out: " + "; ".join(left_out)] if left_out else []),
        table(["figure", *("%s IDs" % tables.size(s) for s in figures.SIZES),
               "other", "bar", "", "command"], rows, (0, 5, 6))]
    kinds = reasons.missed(groups)
    if kinds:
        parts.append("## Behind the misses")
        for kind in kinds:
            parts += ["### " + reasons.WHY[kind][0], fill(reasons.text(kind))]
    for one in tables.every(found, kept, held):
        parts += ["## " + one.title, fill(one.about),
                  table(one.head, one.rows), "`%s%s`" % (RUN, one.command)]
    parts += ["## Each bar alone", "\n".join(
        "%d. `%s`" % (i + 1, c) for i, c in enumerate(
            [RUN + c for c in commands] +
            ["./bazelw test //bench:readonly_test"]))]
    return "\n\n".join(parts) + "\n"
