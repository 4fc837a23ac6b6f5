# SPDX-License-Identifier: MIT
"""From what the benchmarks print to figures and bars."""

import collections
import json
import re
import statistics

SIZES = (1000, 65536, 1000000)
# Their readers wait for locks, and a waiting thread spends no CPU time.
LOCKING = ("tbb_hash", "rwlock_map")
# Lookups to a sample of the percentiles.
SAMPLE = 32

LOOKUP = re.compile(r"lookup/(?P<impl>\w+)/(?P<pattern>chain|stream|miss|scatter)"
                    r"/ids:(?P<ids>\d+)/writers:(?P<writers>[01])$")
CHURN = re.compile(r"churn/(?P<impl>\w+)"
                   r"/(?P<pattern>pair|batch200|batch2000|range|scatter|fill)"
                   r"/ids:(?P<ids>\d+)$")
REPLAY = re.compile(r"replay/(?P<impl>\w+)/(?P<trace>[\w.-]+)$")

SECTION = re.compile(r"section/(?P<impl>\w+)/(?P<flavour>qsbr|epoch|fence)"
                     r"/(?P<pattern>chain|stream|find)/ids:(?P<ids>\d+)$")
SYNCHRONIZE = re.compile(r"synchronize/(?P<impl>\w+)"
                         r"/(?P<state>idle|reading|cycling)"
                         r"/threads:(?P<threads>\d+)/callers:(?P<callers>\d+)$")
NAMES = (LOOKUP, CHURN, REPLAY, SECTION, SYNCHRONIZE)

# Nanoseconds: of one lookup, pair, operation or wait, or added to a lookup by
# a read section; percentiles are per sample. cut_short: it would have taken
# minutes, and the time is a lower bound.
Figure = collections.namedtuple(
    "Figure", "ns low high p50 p999 p9999 pairs_per_s count cut_short")

# Waits of one kind by implementation, as WAITS names them.
Wait = collections.namedtuple("Wait", "state threads callers ns")

# met: True, False, or None if something it needs was not measured. size is a
# number of IDs, or None. kind says whose reason it is if it is missed.
Bar = collections.namedtuple(
    "Bar", "kind what against size value unit sense limit met")


class BadResult(Exception):
    """A benchmark said that something went wrong, or printed nonsense."""


def shared_name(run_name):
    """The name without the suffixes Google Benchmark adds."""
    return re.sub(r"/(real_time|manual_time|min_time:[\d.]+|repeats:\d+)", "", run_name)


def of_interest(name, entry):
    """The time that counts: the reader's own, apart from what else ran."""
    section, wait = SECTION.match(name), SYNCHRONIZE.match(name)
    try:
        if section:
            return entry["add_ns"]
        if wait and int(wait["callers"]) > 1:
            return entry["ns_by_all"]
    except KeyError as missing:
        raise BadResult("%s: no %s" % (name, missing))
    if wait:
        return entry["real_time"]
    locking = (name.split("/")[1] in LOCKING and
               name.endswith("writers:1"))
    if CHURN.match(name):
        return entry["real_time"]
    return entry["real_time" if locking else "cpu_time"]


def figures(documents):
    """Medians by name over all repetitions in Google Benchmark's documents."""
    runs = collections.defaultdict(list)
    for document in documents:
        for entry in document["benchmarks"]:
            if entry.get("run_type") == "aggregate":
                continue
            name = shared_name(entry["run_name"])
            if entry.get("error_occurred"):
                raise BadResult("%s: %s" % (name, entry.get("error_message")))
            if entry.get("time_unit", "ns") != "ns":
                raise BadResult("%s: not in ns" % name)
            if not any(p.match(name) for p in NAMES):
                raise BadResult("%s: not a name of ours" % name)
            runs[name].append(entry)
    result = {}
    for name, entries in runs.items():
        times = sorted(of_interest(name, e) for e in entries)

        def median(key):
            values = [e[key] for e in entries if key in e]
            return statistics.median(values) if values else None

        result[name] = Figure(
            ns=statistics.median(times),
            low=times[len(times) // 4],
            high=times[(3 * len(times)) // 4],
            p50=median("p50_of_%d_ns" % SAMPLE),
            p999=median("p99.9_of_%d_ns" % SAMPLE),
            p9999=median("p99.99_of_%d_ns" % SAMPLE),
            pairs_per_s=median("writer_pairs_per_s"),
            count=len(times),
            cut_short=any("cut_short_at" in e for e in entries))
    return result


def memory(lines):
    """{(impl, pattern, ids): bytes} from the lines of //bench:memory."""
    result = {}
    for line in lines:
        entry = json.loads(line)
        if "stage" not in entry:
            key = (entry["impl"], entry["pattern"], entry["ids"])
            result[key] = entry["bytes_per_id"]
    return result


STAGES = ("empty", "full", "freed", "trimmed")


def stages(lines):
    """{(impl, pattern, ids): {stage: (counted, anonymous)}} from the same."""
    result = {}
    for line in lines:
        entry = json.loads(line)
        if "stage" in entry:
            key = (entry["impl"], entry["pattern"], entry["ids"])
            result.setdefault(key, {})[entry["stage"]] = (
                entry["counted"], entry["anonymous"])
    return result


def lookup(impl, pattern, ids, writers=0):
    return "lookup/%s/%s/ids:%d/writers:%d" % (impl, pattern, ids, writers)


def section(impl, flavour, pattern, ids):
    return "section/%s/%s/%s/ids:%d" % (impl, flavour, pattern, ids)


def synchronize(impl, state, threads, callers=1):
    return "synchronize/%s/%s/threads:%d/callers:%d" % (impl, state, threads,
                                                        callers)


STORES = ("bitmap", "radix", "hash")

# What is shown of what sections add; that of qsbr is the method's own.
ADDED = (("epoch", "chain"), ("epoch", "find"), ("epoch", "stream"),
         ("fence", "chain"), ("qsbr", "chain"))

# Ours, and whom of theirs its time is divided by.
WAITS = {"epoch": ("urcu_memb", "urcu_bp"), "fence": (), "qsbr": ("urcu_qsbr",),
         "urcu_memb": (), "urcu_bp": (), "urcu_qsbr": ()}
STATES = ("idle", "reading", "cycling")


def waits(found):
    """What waits for a grace period took, a Wait for each kind."""
    kinds = collections.defaultdict(dict)
    for name, figure in found.items():
        match = SYNCHRONIZE.match(name)
        if match:
            kinds[int(match["callers"]) > 1, STATES.index(match["state"]),
                  int(match["threads"]), int(match["callers"])][
                      match["impl"]] = figure.ns
    return [Wait(STATES[state], threads, callers, kinds[key])
            for key in sorted(kinds)
            for _, state, threads, callers in (key,)]


def wait_columns():
    """[(heading, impl, peer or None)]: a time, or a ratio of two."""
    return ([(impl, impl, None) for impl in WAITS] +
            [("%s / %s" % (impl, peer), impl, peer)
             for impl, peers in WAITS.items() for peer in peers])


def wait_value(wait, impl, peer):
    if impl not in wait.ns or (peer and peer not in wait.ns):
        return None
    return wait.ns[impl] / wait.ns[peer] if peer else wait.ns[impl]


PATTERNS = ("pair", "batch200", "batch2000", "range", "scatter", "fill")


def churn(impl, pattern, ids):
    return "churn/%s/%s/ids:%d" % (impl, pattern, ids)


def traces(found):
    return sorted({m["trace"] for m in map(REPLAY.match, found) if m})


def off(bar):
    """How many times its limit a figure is from it; at most 1 meets it."""
    if bar.value is None:
        return None
    if bar.sense == "<=":
        return bar.value / bar.limit
    return bar.limit / bar.value if bar.value > 0 else float("inf")


def worst_first(bars):
    """[[Bar]], a list for each figure; what misses by most comes first, what
    was not measured before what meets."""
    groups = collections.defaultdict(list)
    for bar in bars:
        groups[bar.what, bar.against].append(bar)

    def rank(group):
        missed = [off(b) for b in group if b.met is False]
        unknown = any(b.met is None for b in group)
        # Nearest to its limit first among those that meet it.
        return (0 if missed else 1 if unknown else 2,
                -max(missed or [off(b) for b in group if b.met] or [0]))

    return sorted(groups.values(), key=rank)


def bars(found, memory_found):
    """The bars, judged by these figures alone."""
    result = []

    def bar(kind, what, against, size, unit, sense, limit, compute, *needed):
        value = met = None
        if all(n is not None for n in needed):
            value = compute(*needed)
            met = value <= limit if sense == "<=" else value >= limit
        result.append(Bar(kind, what, against, size, value, unit, sense, limit,
                          met))

    def ns(name):
        return found[name].ns if name in found else None

    def p50(name):
        return found[name].p50 if name in found else None

    def p9999(name):
        return found[name].p9999 if name in found else None

    def over(a, b):
        return a / b

    # Trees have nothing to win over an array that is in no cache either.
    for impl, limits in (("bitmap", (1.25, 1.25, 1.1)),
                         ("radix", (2.0, 2.0, 1.1))):
        for ids, limit in zip(SIZES, limits):
            bar("floor", impl + " lookup, chain", "raw_array", ids, "x as long",
                "<=", limit, over, ns(lookup(impl, "chain", ids)),
                ns(lookup("raw_array", "chain", ids)))
    for impl in ("bitmap", "radix"):
        for ids in SIZES[:2]:
            bar("linux", impl + " lookup, chain", "linux_ioasid", ids,
                "x faster", ">=", 3, over,
                ns(lookup("linux_ioasid", "chain", ids)),
                ns(lookup(impl, "chain", ids)))
    for impl, limit in (("bitmap", 2), ("radix", 1.5)):
        for trace in traces(found):
            bar("replay", "%s replay of %s" % (impl, trace), "linux_ioasid",
                None, "x faster", ">=", limit, over,
                ns("replay/linux_ioasid/" + trace),
                ns("replay/%s/%s" % (impl, trace)))
    for peer in ("urcu_lfht", "ck_ht"):
        for ids in SIZES:
            bar("hash", "hash lookup, scatter", peer, ids, "x faster", ">=", 2,
                over, ns(lookup(peer, "scatter", ids)),
                ns(lookup("hash", "scatter", ids)))
    # By ioasid_space_find(), then with a section of the caller's around it.
    for what, pattern in (("find", "find"), ("section, chain", "chain"),
                          ("section, stream", "stream")):
        for impl in STORES:
            for ids in SIZES:
                bar("section", "%s %s, epoch" % (impl, what), "qsbr", ids,
                    "ns more", "<=", 0.5, float,
                    ns(section(impl, "epoch", pattern, ids)))
    for impl in STORES:
        for ids in SIZES:
            bar("writer", impl + " median, one writer", "no writer", ids,
                "x as long", "<=", 1.2, over, p50(lookup(impl, "chain", ids, 1)),
                p50(lookup(impl, "chain", ids)))
    for impl in STORES:
        for ids in SIZES:
            bar("tail", impl + " p99.99, one writer", "raw_array", ids,
                "x as long", "<=", 2, over, p9999(lookup(impl, "chain", ids, 1)),
                p9999(lookup("raw_array", "chain", ids, 1)))
    for impl, limits in (("bitmap", (6, 6, 5)), ("radix", (4, 4, 4)),
                         ("hash", (3, 3, 3))):
        for ids, limit in zip(SIZES, limits):
            bar("update", impl + " free + alloc", "linux_ioasid", ids,
                "x faster", ">=", limit, over,
                ns(churn("linux_ioasid", "pair", ids)),
                ns(churn(impl, "pair", ids)))
    for pattern, what in (("pair", "free + alloc"),
                          ("batch200", "free + alloc, batches of 200"),
                          ("batch2000", "free + alloc, batches of 2,000"),
                          ("range", "free + alloc in ranges"),
                          ("fill", "fill from 1 on")):
        for ids in SIZES:
            if (pattern, ids) in (("batch2000", 1000), ("fill", 1000)):
                continue
            bar("levels", "hash " + what, "radix", ids, "x as long", "<=", 3,
                over, ns(churn("hash", pattern, ids)),
                ns(churn("radix", pattern, ids)))
    for wait in waits(found):
        for impl, peers in WAITS.items():
            if peers:
                theirs = [wait.ns[p] for p in peers if p in wait.ns]
                bar("wait", "%s wait, %s, %d threads, %d callers" %
                    (impl, *wait[:3]), " and ".join(peers), None, "x as long",
                    "<=", 1, over, wait.ns.get(impl),
                    min(theirs) if len(theirs) == len(peers) else None)
    for impl, pattern, limit in (("bitmap", "dense", 17),
                                 ("radix", "dense", 18),
                                 ("hash", "scattered", 34)):
        bar("memory", "%s memory, %s" % (impl, pattern), "", 1000000,
            "B per ID", "<=", limit, float,
            memory_found.get((impl, pattern, 1000000)))
    return result


def ratios(found):
    """(name, ns, {peer: peer's time / ours}, x raw_array) for our stores."""
    rows = []
    for name in sorted(found, key=sort_key):
        if SECTION.match(name) or SYNCHRONIZE.match(name):
            continue
        parts = name.split("/")
        others = {}
        for other, figure in found.items():
            theirs = other.split("/")
            if theirs[0] == parts[0] and theirs[2:] == parts[2:]:
                others[theirs[1]] = figure.ns / found[name].ns
        floor = others.get("raw_array")
        rows.append((name, found[name].ns, others,
                     1 / floor if floor else None))
    return rows


ORDER = ("raw_array", "bitmap", "bitmap_epoch", "radix", "radix_epoch", "hash",
         "hash_epoch", "linux_ioasid", "urcu_lfht", "ck_ht", "tbb_hash",
         "rwlock_map")
OURS = ORDER[1:7]


def sort_key(name):
    parts = name.split("/")
    numbers = [int(n) for n in re.findall(r":(\d+)", name)]
    return (parts[0], [p for p in parts[2:] if ":" not in p], numbers,
            ORDER.index(parts[1]) if parts[1] in ORDER else len(ORDER))
