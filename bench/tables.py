# SPDX-License-Identifier: MIT
"""The tables of the report, for the page and for docs/performance.md alike.

Every implementation stands in each table of its kind, measured or not.
"""

import collections

import figures

# about: a sentence or two; head: of the columns; rows: cells, the first names
# the row; command: what measures it alone, "" if the report is the way.
Table = collections.namedtuple("Table", "title about head rows command")

NOTHING = "–"


def number(value, digits=None):
    """As short as it can be read; large ones whole, with commas."""
    if value is None:
        return NOTHING
    if digits is not None:
        return "%.*f" % (digits, value)
    return format(round(value), ",") if value >= 100 else "%.3g" % value


def size(ids):
    return format(ids, ",")


def by_implementation(title, about, head, cell, command):
    """cell(impl, column) for each column of head, {heading: key}."""
    return Table(title, about, ["", *head], [
        [impl, *(cell(impl, key) for key in head.values())]
        for impl in figures.ORDER], command)


def lookups(found):
    head = {"chain, " + size(ids): ("chain", ids, 0) for ids in figures.SIZES}
    head.update({"one writer, " + size(ids): ("chain", ids, 1)
                 for ids in figures.SIZES})

    def cell(impl, key):
        figure = found.get(figures.lookup(impl, *key))
        return number(figure and figure.ns)

    return by_implementation(
        "Lookups, each depending on the last",
        "ns a lookup, by number of live IDs, alone and beside one thread that "
        "frees and allocates without pause.", head, cell,
        "lookup -- --benchmark_filter=/chain/ --benchmark_repetitions=9")


def other_lookups(found):
    head = {"scattered, " + size(ids): ("scatter", ids)
            for ids in figures.SIZES}
    head.update({"stream, 65,536": ("stream", 65536),
                 "miss, 65,536": ("miss", 65536)})

    def cell(impl, key):
        figure = found.get(figures.lookup(impl, *key))
        return number(figure and figure.ns)

    return by_implementation(
        "Lookups of other kinds",
        "ns a lookup: of IDs spread over 32 bits, chained; of IDs known ahead, "
        "so that lookups may overlap; of IDs that are not live. raw_array "
        "knows no vacant IDs, it and bitmap hold no scattered ones, and trees "
        "sit the largest size out.", head, cell,
        "lookup -- --benchmark_filter='/(scatter|stream|miss)/.*/writers:0' "
        "--benchmark_repetitions=9")


def tails(found):
    head = {size(ids): (ids, 0) for ids in figures.SIZES}
    head.update({size(ids) + ", one writer": (ids, 1)
                 for ids in figures.SIZES})

    def cell(impl, key):
        ids, writers = key
        figure = found.get(figures.lookup(impl, "chain", ids, writers))
        if figure is None or figure.p9999 is None:
            return NOTHING
        return "%.0f / %.0f / %.0f" % (figure.p50, figure.p999, figure.p9999)

    return by_implementation(
        "The slowest in a thousand",
        "Median / 99.9th / 99.99th percentile in ns of the time of %d lookups "
        "in a row, chain." % figures.SAMPLE, head, cell,
        "lookup -- --benchmark_filter=/chain/ --benchmark_repetitions=9")


def updates(found):
    head = {}
    for pattern, name in (
            ("pair", "lowest vacant"), ("batch200", "batches of 200"),
            ("batch2000", "batches of 2,000"), ("range", "in ranges"),
            ("scatter", "scattered"), ("fill", "fill from 1 on, an ID")):
        head[name] = pattern

    def one(impl, pattern, ids):
        figure = found.get(figures.churn(impl, pattern, ids))
        return ("> " if figure and figure.cut_short else "") + \
            number(figure and figure.ns)

    def cell(impl, pattern):
        cells = [one(impl, pattern, ids) for ids in figures.SIZES]
        return NOTHING if set(cells) == {NOTHING} else " / ".join(cells)

    return by_implementation(
        "Free and allocate",
        "ns a pair at 1,000 / 65,536 / 1,000,000 live IDs: a random one freed "
        "and the lowest vacant from 1 on allocated; the same by batches; the "
        "lowest of the 500 around it; the same ID, of such as are spread over "
        "32 bits. Last, an empty structure filled, ns an ID; > where that "
        "was cut short. Tables that choose no IDs are handed the ID, which "
        "is less work.", head, cell,
        "churn -- --benchmark_repetitions=9")


def replays(found):
    head = {trace: trace for trace in figures.traces(found)}

    def cell(impl, trace):
        figure = found.get("replay/%s/%s" % (impl, trace))
        return number(figure and figure.ns)

    return by_implementation(
        "Recorded builds",
        "ns an operation: page faults, starts and exits of the processes of a "
        "parallel build, as lookups, allocations and frees of one ID each.",
        head, cell, "replay -- --benchmark_repetitions=9")


def waits(found):
    columns = figures.wait_columns()

    def worst(wait):
        return max([figures.wait_value(wait, impl, peer) or 0
                    for _, impl, peer in columns if peer] or [0])

    rows = []
    for wait in sorted(figures.waits(found), key=worst, reverse=True):
        rows.append(["%s, %d, %d" % wait[:3]] + [
            number(figures.wait_value(wait, impl, peer), 2 if peer else None)
            for _, impl, peer in columns])
    return Table(
        "Waiting for a grace period",
        "ns a call of synchronize takes beside so many registered threads that "
        "are idle, of which one reads without pause, or which all read now and "
        "then; beside more callers than one, time per call of them all. Ours "
        "are epoch, fence (epoch without membarrier) and qsbr. Worst ratio "
        "first; below 1 ours is faster.",
        ["others, threads, callers"] + [h for h, _, _ in columns], rows,
        "synchronize -- --benchmark_repetitions=9 "
        "--benchmark_enable_random_interleaving=true")


def sections(found):
    rows = []
    for impl in figures.STORES:
        for flavour, pattern in figures.ADDED:
            row = ["%s, %s, %s" % (impl, flavour, pattern)]
            for ids in figures.SIZES:
                figure = found.get(figures.section(impl, flavour, pattern, ids))
                row.append(number(figure and figure.ns, 2))
            rows.append(row)
    return Table(
        "What a read section adds",
        "ns to a lookup over a section of qsbr, median of the differences "
        "within pairs of runs in one structure: with a section around each "
        "lookup (chain, stream), and by ioasid_space_find() (find, a chain). "
        "qsbr against itself is what the method adds.",
        ["", *map(size, figures.SIZES)], rows,
        "section -- --benchmark_repetitions=9")


def memory(kept):
    most = max((ids for _, _, ids in kept), default=1000000)
    return by_implementation(
        "Memory",
        "Bytes by which a fresh process grows for each live ID, of %s; at the "
        "right spread over 32 bits." % size(most),
        {"dense": "dense", "scattered": "scattered"},
        lambda impl, pattern: number(kept.get((impl, pattern, most)), 1),
        "memory -- %d" % most)


def stages(held):
    return Table(
        "Memory given back",
        "KiB held by the store's own count / by the process: by an empty "
        "space, with all IDs live, after all were freed and a grace period "
        "passed, and after ioasid_space_trim(). A reserved range counts whole "
        "in the former, touched or not.",
        ["", *figures.STAGES],
        [["%s, %s %s" % (impl, size(ids), pattern), *(
            " / ".join(size(round(n / 1024)) for n in held_at[stage])
            for stage in figures.STAGES)]
         for (impl, pattern, ids), held_at in held.items()],
        "memory -- 1000000")


def every(found, kept, held):
    return [updates(found), lookups(found), other_lookups(found), tails(found),
            replays(found), waits(found), sections(found), memory(kept),
            stages(held)]
