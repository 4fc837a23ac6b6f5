#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""example_test.py PROGRAM: an example at several sizes, and its faults caught.

What the program prints is added up once more here.
"""

import os
import re
import subprocess
import sys


def numbers(output, start):
    """The numbers of each line that begins like this."""
    return [[int(n) for n in re.findall(r"\b\d+\b", line)]
            for line in output.splitlines() if re.match(start, line)]


def page_requests(output, busy):
    (requests, *answers), = numbers(output, r"\d+ requests:")
    (processes, *rest), = numbers(output, r"\d+ processes:")
    served, unknown, _, foreign = answers
    allocated, freed, live, pending, markers = rest
    return (requests == sum(answers) and served and
            processes == allocated == freed == markers and
            not live and not pending and
            (not busy or (unknown and foreign and processes == 6400)))


def handle_table(output, busy):
    (opened, closed, left), = numbers(output, r"\d+ opened")
    (uses, over, stale, foreign), = numbers(output, r"\d+ uses")
    answers = re.findall(r"^  .* (ok|-\w+)$", output, re.M)
    return (opened == closed + left and
            set(answers) == {"ok", "-EDQUOT", "-EACCES", "-ENOENT", "-ESTALE"}
            and (not busy or (left and uses and over and stale and foreign)))


def guest_allocator(output, busy):
    first, second = numbers(output, r"  \d+ allocs")
    # allocs, refused, handed back, left
    return (all(n[0] == n[2] + n[3] for n in (first, second)) and
            first[0] and not first[1] and
            all(answer in output for answer in
                ("-ENOSPC", "-EBUSY", "-ERANGE", "-EEXIST")) and
            (not busy or second[1]))


# Smallest, as it comes, busy; for each fault what is said, and with what
# arguments where it takes a narrow window.
EXAMPLES = {
    "page_requests": (
        page_requests,
        "-w 1 -p 1 -l 1", "-w 8 -p 32 -l 200 -s 100",
        {"reference": ("a late request was served for another", "-l 200"),
         "quarantine": ("a late request was served for another",
                        "-l 200 -s 100"),
         "set": ("a request was served for another device", ""),
         "marker": ("a PASID leaked", ""),
         "answer": ("requests are not answered once each", "")}),
    "handle_table": (
        handle_table,
        "-t 2 -c 1 -l 1 -n 10", "-t 8 -c 4 -l 20 -n 2000",
        {"set": ("a handle of another tenant was not refused", ""),
         "generation": ("red opens until the ID comes again, uses one", ""),
         "quota": ("a tenant has more open than its quota", ""),
         "exit": ("a tenant left something behind", ""),
         "retire": ("objects leaked", "")}),
    "guest_allocator": (
        guest_allocator,
        "-t 1 -n 1 -d 1", "-t 8 -n 3000 -d 5000",
        {"grant": ("an ID is outside of the grant", ""),
         "put": ("the host was not given back what it gave", ""),
         "twice": ("the host was not given back what it gave", ""),
         "keep": ("the host was not given back what it gave", "")}),
}


def run(program, arguments):
    done = subprocess.run([program, *arguments.split()], timeout=250,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    return done.returncode, done.stdout


def is_good(code, output, check, busy):
    return code == 0 and "FAILED" not in output and bool(check(output, busy))


def is_caught(code, output, says):
    return code > 0 and "FAILED: " + says in output


def main():
    program = os.path.abspath(sys.argv[1])
    name = re.match(r"[a-z_]*?(?=_small$|_state32$|$)",
                    os.path.basename(program)).group()
    check, smallest, busy, faults = EXAMPLES[name]
    wrong = []

    for arguments in (smallest, "", busy):
        code, output = run(program, arguments)
        print("%s %s: %d\n%s" % (name, arguments, code, output))
        if not is_good(code, output, check, arguments == busy):
            wrong.append(arguments)
    # A number of the last that is off by one.
    number = list(re.finditer(r"\d+(?= (?:requests|opened|allocs))", output))[0]
    spoilt = (output[:number.start()] + str(int(number.group()) + 1) +
              output[number.end():])
    if is_good(0, spoilt, check, False):
        wrong.append("a wrong sum went unnoticed")

    for fault, (says, arguments) in faults.items():
        # A narrow window may be missed, where threads do not run side by side.
        for _ in range(50 if arguments else 1):
            code, output = run(program, arguments + " -f " + fault)
            if is_caught(code, output, says):
                break
        if not is_caught(code, output, says) or \
                is_good(code, output, check, False):
            print(output)
            wrong.append("fault %s was not caught: %d" % (fault, code))
    code, output = run(program, "-f none")
    if not is_good(code, output, check, False) or \
            any(is_caught(code, output, says) for says, _ in faults.values()):
        wrong.append("-f none")
    if run(program, "-f unknown")[0] != 2 or run(program, "-w")[0] != 2:
        wrong.append("wrong arguments were accepted")

    if wrong:
        sys.exit("wrong: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
