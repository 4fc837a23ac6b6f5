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
CHURN = re.compile(r"churn/(?P<impl>\w+)/ids:(?P<ids>\d+)$")
REPLAY = re.compile(r"replay/(?P<impl>\w+)/(?P<trace>[\w.-]+)$")

SECTION = re.compile(r"section/(?P<impl>\w+)/(?P<flavour>qsbr|epoch|fence)"
                     r"/(?P<pattern>chain|stream|find)/ids:(?P<ids>\d+)$")
SYNCHRONIZE = re.compile(r"synchronize/(?P<impl>\w+)"
                         r"/(?P<state>idle|reading|cycling)"
                         r"/threads:(?P<threads>\d+)/callers:(?P<callers>\d+)$")
NAMES = (LOOKUP, CHURN, REPLAY, SECTION, SYNCHRONIZE)

# Nanoseconds: of one lookup, pair, operation or wait, or added to a lookup by
# a read section; percentiles are per sample.
Figure = collections.namedtuple(
    "Figure", "ns low high p50 p999 pairs_per_s count")

# Waits of one kind by implementation, as WAITS names them.
Wait = collections.namedtuple("Wait", "state threads callers ns")

# met: True, False, or None if something it needs was not measured.
Bar = collections.namedtuple("Bar", "what against size value unit sense limit met")


class BadResult(Exception):
    """A benchmark said that something went wrong, or printed nonsense."""


def shared_name(run_name):
    """The name without the suffixes Google Benchmark adds."""
    return re.sub(r"/(real_time|min_time:[\d.]+|repeats:\d+)", "", run_name)


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
            pairs_per_s=median("writer_pairs_per_s"),
            count=len(times))
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
         ("qsbr", "chain"))

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


def churn(impl, ids):
    return "churn/%s/ids:%d" % (impl, ids)


def bars(found, memory_found):
    """The bars, judged by these figures alone."""
    result = []

    def bar(what, against, size, unit, sense, limit, compute, *needed):
        value = met = None
        if all(n is not None for n in needed):
            value = compute(*needed)
            met = value <= limit if sense == "<=" else value >= limit
        result.append(Bar(what, against, size, value, unit, sense, limit, met))

    def ns(name):
        return found[name].ns if name in found else None

    def p50(name):
        return found[name].p50 if name in found else None

    def over(a, b):
        return a / b

    for impl, limit in (("bitmap", 1.25), ("radix", 2.0)):
        for ids in SIZES:
            bar(impl + " lookup, chain", "raw_array", ids, "x as long", "<=",
                limit, over, ns(lookup(impl, "chain", ids)),
                ns(lookup("raw_array", "chain", ids)))
    for impl in ("bitmap", "radix"):
        for ids, limit in zip(SIZES, (3, 4, 5)):
            bar(impl + " lookup, chain", "linux_ioasid", ids, "x faster", ">=",
                limit, over, ns(lookup("linux_ioasid", "chain", ids)),
                ns(lookup(impl, "chain", ids)))
    for peer in ("urcu_lfht", "ck_ht"):
        for ids in SIZES:
            bar("hash lookup, scatter", peer, ids, "x faster", ">=", 2, over,
                ns(lookup(peer, "scatter", ids)),
                ns(lookup("hash", "scatter", ids)))
    # By ioasid_space_find(), then with a section of the caller's around it.
    for what, pattern in (("find", "find"), ("section", "chain")):
        for impl in STORES:
            for ids in SIZES:
                bar("%s %s, epoch" % (impl, what), "qsbr", ids, "ns more", "<=",
                    0.5, float, ns(section(impl, "epoch", pattern, ids)))
    for impl in STORES:
        for ids in SIZES:
            bar(impl + " median, one writer", "no writer", ids, "x as long", "<=",
                1.2, over, p50(lookup(impl, "chain", ids, 1)),
                p50(lookup(impl, "chain", ids)))
    for impl in ("bitmap", "radix"):
        for ids in SIZES:
            bar(impl + " free + alloc", "linux_ioasid", ids, "x faster", ">=",
                8, over, ns(churn("linux_ioasid", ids)), ns(churn(impl, ids)))
    for impl, pattern, limit in (("bitmap", "dense", 18),
                                 ("radix", "dense", 20),
                                 ("hash", "scattered", 48)):
        bar("%s memory, %s" % (impl, pattern), "", 1000000, "B per ID", "<=",
            limit, float, memory_found.get((impl, pattern, 1000000)))
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
