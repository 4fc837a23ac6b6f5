#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The C in README.md compiles, links and runs against the library."""

import os
import re
import subprocess
import sys
import tempfile

PROLOGUE = """
#include <ioasid/ioasid.h>
#include <stdlib.h>
struct mm { struct ioasid_rcu_head rcu; };
static void *handled;
static void handle_page_request(void *data) { handled = data; }
static void mm_free(struct ioasid_rcu_head *head) { free(head); }
"""


def blocks(readme):
    return re.findall(r"^```c\n(.*?)^```", readme, re.M | re.S)


def program(block):
    lines = block.splitlines()
    top = [l for l in lines if re.match(r"#include|static", l)]
    body = [l for l in lines if l not in top]
    return "\n".join(
        [PROLOGUE] + top +
        ["int main(void) {",
         "struct mm *mm = calloc(1, sizeof(*mm)); void *data = NULL;",
         "(void)data; (void)mm; (void)mm_free; (void)handle_page_request;"] +
        body +
        ["#ifdef FIRST",
         "if (handled != mm) return 1;",
         "ioasid_rcu_barrier(ioasid_space_rcu(space));",
         "#else",
         "if (err || ioasid_space_destroy(space)) return 1;",
         "free(mm);",
         "#endif",
         "return 0; }"])


def works(block, flags):
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "readme.c")
        with open(source, "w") as f:
            f.write(program(block))
        sources = [os.path.join(d, name) for d, _, names in os.walk("core")
                   for name in names if name.endswith(".c")]
        run = subprocess.run(
            ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Iinclude",
             *flags, source, *sources, "-o", source + ".out", "-lpthread"])
        return run.returncode == 0 and \
            subprocess.run([source + ".out"], timeout=60).returncode == 0


def main():
    found = blocks(open("README.md").read())
    if len(found) != 2:
        sys.exit("README.md has %d blocks of C, not 2" % len(found))
    for block, flags in zip(found, (["-DFIRST"], [])):
        if not works(block, flags):
            sys.exit("does not work:\n" + block)
    wrong = found[0].replace("pasid, &data", "pasid + 1, &data")
    if works(wrong, ["-DFIRST"]):
        sys.exit("a planted fault went unnoticed")


if __name__ == "__main__":
    main()
