#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""Runs a selection of the benchmarks, prints ratios, writes one HTML page."""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

import figures
import markdown
import page
import tables

SELECTION = [
    # (what, program, filter)
    ("lookup, %s IDs" % format(ids, ","), "lookup",
     "lookup/.*/(chain/ids:%d/|scatter/ids:%d/writers:0%s)" %
     (ids, ids, "|(stream|miss)/ids:65536/writers:0" if ids == 65536 else ""))
    for ids in figures.SIZES
] + [
    ("free + alloc", "churn", "/pair/"),
    ("replay", "replay", "."),
]
# Run once, as much as it takes: (what, program, filter, repetitions, min_time)
ONCE = [
    ("free + alloc, by batches and in ranges", "churn",
     "/(batch200|batch2000|range|scatter)/", 3, 0.01),
    ("filling", "churn", "/fill/", 3, 0.01),
    ("read sections, up to 65,536 IDs", "section",
     "/(epoch/.*|(fence|qsbr)/chain)/ids:(1000|65536)/", 3, 0.03),
    ("read sections, 1,000,000 IDs", "section",
     "/(epoch/.*|(fence|qsbr)/chain)/ids:1000000/", 3, 0.2),
    ("grace periods", "synchronize", ".", 3, 0.01),
]
ROUNDS = 3
# No further round begins if it would end later than this.
LIMIT_S = 270


class Progress:
    def __init__(self):
        self.start = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.start

    def say(self, text):
        print("[%4.0f s] %s" % (self.seconds(), text), flush=True)


def here(*parts):
    """A runfile: `bazel run` starts among them, else they lie beside."""
    beside = os.path.abspath(sys.argv[0]) + ".runfiles"
    for root in (os.getcwd(), os.path.join(beside, "ioasid"),
                 os.path.join(beside, "_main")):
        path = os.path.join(root, "bench", *parts)
        if os.path.exists(path):
            return path
    sys.exit("%s not found; use bazel run //bench:report" % parts[0])


def traces():
    folder = here("traces")
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                  if name.endswith(".trace"))


def run(program, options, notes):
    """Google Benchmark's document of one run."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [here(program)] + options + [
            "--benchmark_enable_random_interleaving=true",
            "--benchmark_out_format=json", "--benchmark_out=" + out.name,
        ]
        if program == "replay":
            command += traces()
        done = subprocess.run(command, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
        notes.update(line for line in done.stderr.splitlines()
                     if " left out: " in line)
        if done.returncode:
            sys.exit("%s failed:\n%s" % (program, done.stderr))
        return json.load(open(out.name))


def flags(pattern, repetitions, min_time):
    return ["--benchmark_filter=" + pattern,
            "--benchmark_repetitions=%d" % repetitions,
            "--benchmark_min_time=%g" % min_time]


def measure(progress, rounds, repetitions, min_time):
    results = {"documents": [], "memory": [], "machine": machine()}
    notes = set()
    progress.say("memory per ID")
    done = subprocess.run([here("memory"), "1000000"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("memory failed:\n" + done.stderr)
    results["memory"] = done.stdout.splitlines()
    for what, program, pattern, times, seconds in ONCE:
        progress.say(what)
        results["documents"].append(run(
            program, flags(pattern, times, seconds), notes))
    for i in range(rounds):
        begin = progress.seconds()
        for what, program, pattern in SELECTION:
            progress.say("round %d of %d: %s" % (i + 1, rounds, what))
            results["documents"].append(run(
                program, flags(pattern, repetitions, min_time), notes))
        took = progress.seconds() - begin
        if i + 1 < rounds and progress.seconds() + took > LIMIT_S:
            progress.say("no time for another round")
            break
    results["left_out"] = sorted(notes)
    results["machine"]["load_after"] = os.getloadavg()[0]
    return results


def cpu_model():
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine():
    huge = "not offered"
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled") as setting:
            huge = setting.read().split("[")[1].split("]")[0]
    except (OSError, IndexError):
        pass
    compiler = subprocess.run([here("lookup"), "--compiler"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True).stdout.strip()
    return {
        "cpu": "%s, %d CPUs" % (cpu_model(), len(os.sched_getaffinity(0))),
        "kernel": "%s %s" % (platform.system(), platform.release()),
        "compiler": compiler,
        "huge pages": huge,
        "date": datetime.datetime.now().astimezone().strftime(
            "%Y-%m-%d %H:%M %Z"),
        "load_before": os.getloadavg()[0],
    }


def number(value):
    return "%.0f" % value if value >= 100 else "%.3g" % value


def verdict(bar):
    return {True: "met", False: "NOT MET", None: "not measured"}[bar.met]


def print_results(found, memory, stages, bars):
    print("\nTime of one operation in ns; / raw_array; how many times faster "
          "than each peer (medians)")
    peers = [p for p in figures.ORDER[7:] if any(
        n.split("/")[1] == p for n in found)]
    print("%-44s %9s %10s  %s" % ("", "ns", "/raw_array",
                                  " ".join("%12s" % p for p in peers)))
    for name, ns, others, floor in figures.ratios(found):
        if name.split("/")[1] in peers:
            continue
        print("%-44s %9s %10s  %s" % (
            name, number(ns), "%.2f" % floor if floor else "-",
            " ".join("%12s" % (number(others[p]) + " x" if p in others else "-")
                     for p in peers)))
    print("\nLookups with one writer: median and p99.9 of %d lookups in ns, "
          "the writer's rate" % figures.SAMPLE)
    for name in sorted(found, key=figures.sort_key):
        figure = found[name]
        if name.endswith("writers:1") and figure.p50:
            print("%-44s %12s %12s %10.2f M pairs/s" % (
                name, number(figure.p50), number(figure.p999),
                (figure.pairs_per_s or 0) / 1e6))
    for one in tables.every(found, memory, stages):
        print("\n" + one.title)
        widths = [max(len(row[i]) for row in [one.head, *one.rows])
                  for i in range(len(one.head))]
        for row in [one.head, *one.rows]:
            print("  ".join(cell.ljust(w) if not i else cell.rjust(w)
                            for i, (cell, w) in enumerate(zip(row, widths))))
    print("\nBars, what misses by most first")
    for bar in (b for group in figures.worst_first(bars) for b in group):
        print("%-44s %-14s %9s %9s %-9s bar %2s %-5g %s" % (
            bar.what, bar.against and "/ " + bar.against,
            "" if bar.size is None else tables.size(bar.size),
            "-" if bar.value is None else "%.2f" % bar.value, bar.unit,
            bar.sense, bar.limit, verdict(bar)))
    met = sum(b.met is True for b in bars)
    print("%d of %d bars met, %d not met, %d not measured" % (
        met, len(bars), sum(b.met is False for b in bars),
        sum(b.met is None for b in bars)))


def main():
    parser = argparse.ArgumentParser(prog="report", description=__doc__)
    parser.add_argument("--out", help="the page; bench-report.html in the "
                        "workspace if not given")
    parser.add_argument("--save", help="keep the results in this JSON file")
    parser.add_argument("--load", help="results kept before, instead of a run")
    parser.add_argument("--markdown", help="write the bars to this file too")
    parser.add_argument("--picture", help="write the first plot to this file")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--min_time", type=float, default=0.03)
    options = parser.parse_args()
    folder = os.environ.get("BUILD_WORKING_DIRECTORY", os.getcwd())
    out = os.path.join(folder, options.out) if options.out else os.path.join(
        os.environ.get("BUILD_WORKSPACE_DIRECTORY", os.getcwd()),
        "bench-report.html")

    page.need()
    progress = Progress()
    if options.load:
        with open(os.path.join(folder, options.load)) as kept:
            results = json.load(kept)
    else:
        results = measure(progress, options.rounds, options.repetitions,
                          options.min_time)
    if options.save:
        with open(os.path.join(folder, options.save), "w") as kept:
            json.dump(results, kept)
    found = figures.figures(results["documents"])
    memory = figures.memory(results["memory"])
    bars = figures.bars(found, memory)
    stages = figures.stages(results["memory"])
    print_results(found, memory, stages, bars)
    for line in results["left_out"]:
        print(line)
    if results["machine"]["load_before"] > 0.5:
        print("The machine was not quiet (load %.1f): expect ratios to drift." %
              results["machine"]["load_before"])
    with open(out, "w") as html:
        html.write(page.render(found, memory, stages, bars, results))
    progress.say("wrote " + out)
    if options.markdown:
        with open(os.path.join(folder, options.markdown), "w") as text:
            text.write(markdown.render(bars, results["machine"], found,
                                       memory, stages, results["left_out"]))
    if options.picture:
        with open(os.path.join(folder, options.picture), "w") as image:
            image.write(page.picture(found))


if __name__ == "__main__":
    try:
        main()
    except figures.BadResult as bad:
        sys.exit(str(bad))
