#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/ says what the headers and tests say; what does not is noticed."""

import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, "tools")

import api_reference

SPACE = "include/ioasid/space.h"
RCU = "include/ioasid/rcu.h"

# Header, comment, what is replaced in it and by what, complaints.
FAULTS = [
    (SPACE, "ioasid_space_exchange_data", "Context: ", "Contxt: ",
     ["ioasid_space_exchange_data: no Context"]),
    (SPACE, "ioasid_space_exchange_data", "Return: 0; -ENOENT not live.", "",
     ["ioasid_space_exchange_data: no Return"]),
    (SPACE, "ioasid_space_exchange_data", "Complexity: as a lookup.", "",
     ["ioasid_space_exchange_data: no Complexity"]),
    (SPACE, "ioasid_space_exchange_data", "@old:  ", "old:  ",
     ["ioasid_space_exchange_data: @old is not described"]),
    (SPACE, "ioasid_space_exchange_data", "@old:  ", "@former:  ",
     ["ioasid_space_exchange_data: there is no @former",
      "ioasid_space_exchange_data: @old is not described"]),
    (SPACE, "ioasid_space_exchange_data", "@old:  ", "@id:  ",
     ["ioasid_space_exchange_data: @id is described twice",
      "ioasid_space_exchange_data: @old is not described"]),
    (SPACE, "ioasid_space_exchange_data", "- replace", "replace",
     [SPACE + ": the comment of ioasid_space_exchange_data is called "
      "'ioasid_space_exchange_data replace the private pointer, without "
      "waiting'", "ioasid_space_exchange_data: no description"]),
    (SPACE, "ioasid_space_exchange_data", "takes the space's lock",
     "takes the space lock",
     ["ioasid_space_exchange_data: Context 'takes the space lock' is of no "
      "known form",
      "ioasid_space_exchange_data: Context names no locking class"]),
    (SPACE, "ioasid_space_exchange_data", "takes the space's lock; ", "",
     ["ioasid_space_exchange_data: Context names no locking class"]),
    (SPACE, "ioasid_space_exchange_data", "ioasid_rcu_defer()",
     "ioasid_rcu_later()",
     ["ioasid_space_exchange_data: there is no ioasid_rcu_later()"]),
    (SPACE, "ioasid_space_get_handle", "as for ioasid_space_get()",
     "as for struct ioasid_got",
     ["ioasid_space_get_handle: there is no struct ioasid_got"]),
    (SPACE, "ioasid_space_free_handle", "as ioasid_space_free()",
     "as ioasid_space_release()",
     ["ioasid_space_free_handle: Context 'as ioasid_space_release()' is of "
      "no function with a class",
      "ioasid_space_free_handle: Context names no locking class",
      "ioasid_space_free_handle: there is no ioasid_space_release()"]),
    (SPACE, "ioasid_space_stats", "Complexity: ", "Return: 0\nComplexity: ",
     ["ioasid_space_stats: returns nothing"]),
    (SPACE, "ioasid_space_stats", "/**", "/*",
     ["ioasid_space_stats: no comment"]),
    (SPACE, "ioasid_space_stats", " */", " */\n#if 0\n#endif",
     [SPACE + ": nothing follows the comment 'ioasid_space_stats - counts of "
      "a space'", "ioasid_space_stats: no comment"]),
    (SPACE, "struct ioasid_stats", "@sets: ", "sets: ",
     ["struct ioasid_stats: @sets is not described"]),
    (SPACE, "struct ioasid_stats", "@sets: ", "@owners: ",
     ["struct ioasid_stats: there is no @owners",
      "struct ioasid_stats: @sets is not described"]),
    (SPACE, "enum ioasid_reuse", "@IOASID_REUSE_CYCLIC: ",
     "@IOASID_REUSE_ROUND: ",
     ["enum ioasid_reuse: there is no @IOASID_REUSE_ROUND",
      "enum ioasid_reuse: @IOASID_REUSE_CYCLIC is not described"]),
    (RCU, "ioasid_rcu_pending", "/**", "int ioasid_rcu_added(void);\n\n/**",
     ["ioasid_rcu_added: no comment"]),
]

# Calls and where they may be made, by hand.
PLACES = {
    "ioasid_space_find": ["yes", "yes", "yes", "yes", "yes (2)"],
    "ioasid_space_get": ["yes", "yes", "yes", "yes", "yes (2)"],
    "ioasid_space_put": ["yes", "yes", "yes", "yes", "no"],
    "ioasid_space_alloc": ["yes", "yes", "`-EDEADLK`", "yes", "no"],
    "ioasid_alloc": ["yes", "yes", "no", "yes", "no"],
    "ioasid_space_free": ["yes", "yes", "yes", "yes", "no"],
    "ioasid_space_set_data":
        ["`-EDEADLK`", "`-EDEADLK`", "`-EDEADLK`", "yes (1)", "no"],
    "ioasid_space_destroy":
        ["`-EDEADLK`", "`-EDEADLK`", "`-EDEADLK`", "`-EDEADLK`", "no"],
    "ioasid_rcu_quiescent": ["no", "no", "no", "no", "no"],
    "ioasid_rcu_defer": ["yes", "yes", "yes", "yes", "no"],
    "ioasid_slot_publish": ["no", "no", "no", "no", "no"],
}


def planted(texts, path, name, old, new):
    """@texts with a fault in the comment of @name."""
    text = texts[path]
    start = text.index("/**\n * %s - " % name)
    end = text.index("*/", start) + 2
    comment = text[start:end]
    if comment.count(old) != 1:
        sys.exit("%s: cannot plant '%s'" % (name, new))
    return dict(texts, **{path: text[:start] + comment.replace(old, new) +
                          text[end:]})


def expect(complaints, expected, what):
    if sorted(complaints) != sorted(expected):
        sys.exit("%s:\n  %s\nnot\n  %s" % (what, "\n  ".join(complaints),
                                           "\n  ".join(expected)))


def row(document, name):
    """The heading that @name is under in docs/locking.md, and its cells."""
    before, found, after = document.partition("\n| [`%s`]" % name)
    if not found:
        sys.exit("docs/locking.md: no " + name)
    heading = re.findall(r"^## (.*)", before, re.M)[-1]
    cells = after.split("\n")[0].strip(" |").split(" | ")
    return heading, cells[-len(api_reference.COLUMNS):]


def check_api():
    texts = api_reference.sources(".")
    documents, complaints = api_reference.generate(texts)
    expect(complaints, [], "headers")
    for name, text in documents.items():
        if open(name).read() != text:
            sys.exit("%s: run tools/api_reference.py" % name)
    for path, name, old, new, expected in FAULTS:
        _, complaints = api_reference.generate(
            planted(texts, path, name, old, new))
        expect(complaints, expected, "%s: '%s' for '%s'" % (name, new, old))
    for name, places in PLACES.items():
        _, cells = row(documents["docs/locking.md"], name)
        expect(cells, places, name)

    # A table of what is not there any more.
    api_reference.INTERNAL["ioasid_gone"] = "nothing"
    expect(api_reference.generate(texts)[1],
           ["tools/api_reference.py: no function is 'ioasid_gone'"],
           "INTERNAL")
    del api_reference.INTERNAL["ioasid_gone"]

    # A header that says something else is another document.
    changed, complaints = api_reference.generate(planted(
        texts, SPACE, "ioasid_space_stats", "takes the space's lock",
        "waits for a grace period"))
    expect(complaints, [], "another class")
    for name, text in documents.items():
        if changed[name] == text:
            sys.exit("%s: is of other headers" % name)
    heading = row(changed["docs/locking.md"], "ioasid_space_stats")[0]
    if heading != "May wait for a grace period":
        sys.exit("ioasid_space_stats: " + heading)


def life_cycle(document):
    """Rows of the table: names of states, and answers by the name of a call."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in document.split("\n") if line.startswith("| ")]
    return {line[0]: dict(zip(lines[0][1:], line[1:])) for line in lines[1:]}


def tested(program):
    """The same of test/life_cycle_test.c."""
    calls = re.search(r"calls\[CALLS\] = \{(.*?)\};", program, re.S).group(1)
    calls = re.findall(r'"(.*?)"', calls)
    table = re.search(r"rows\[\] = \{(.*?)\};", program, re.S).group(1)
    rows = re.findall(r'\{ "([^"]*)",\s+\w+,\s+\{(.*?)\}', table, re.S)
    return {name: dict(zip(calls, re.findall(r'"(.*?)"', answers)))
            for name, answers in rows}


def check_life_cycle():
    document = open("docs/life-cycle.md").read()
    rows = tested(open("test/life_cycle_test.c").read())
    if len(rows) < 10 or any(len(row) != 7 for row in rows.values()):
        sys.exit("test/life_cycle_test.c: no table")
    if life_cycle(document) != rows:
        sys.exit("docs/life-cycle.md is not what test/life_cycle_test.c tests")
    for old, new in [("| CLOSED | 0 |", "| CLOSED | -ENOENT |"),
                     ("| exchange_data |", "| exchange |"),
                     ("| QUARANTINE |", "| FREED |")]:
        if document.count(old) != 1 or \
                life_cycle(document.replace(old, new)) == rows:
            sys.exit("docs/life-cycle.md: '%s' went unnoticed" % new)


# Functions that test/places_test.c does not call, and why.
UNTRIED = {
    r"ioasid_(?!space_|set_|spid_|rcu_)\w+":
        "as one of a space, or for stores, or no domain is in it",
    r"ioasid_set_data": "as ioasid_space_set_data()",
    r"ioasid_rcu_(quiescent|thread_(on|off)line)": "qsbr; never from these",
    r"ioasid_rcu_(destroy|retire)": "not while a space is there; for stores",
}


def places(document):
    """Of docs/locking.md: where a function may be called, signals aside."""
    rows = re.findall(r"^\| \[`(\w+)`\].*" + r" \| ([^|]*)" * 5 + r" \|$",
                      document, re.M)
    spelled = {"yes": "YES", "yes (1)": "YES", "no": "NO"}
    return {name: [spelled.get(cell, cell.strip("`")) for cell in cells[:4]]
            for name, *cells in rows}


def tried(program):
    """The same of test/places_test.c."""
    rows = re.findall(r"^\tTRY\((\w+)" + r",\s+([-A-Z]+)" * 4, program, re.M)
    return {name: cells for name, *cells in rows}


def differ(document, program):
    """The first function that they do not agree about."""
    said, done = places(document), tried(program)
    for name in sorted(said.keys() | done.keys()):
        left_out = any(re.fullmatch(pattern, name) for pattern in UNTRIED)
        if done.get(name) != (None if left_out else said.get(name)):
            return name
    return None


def check_places():
    document = open("docs/locking.md").read()
    program = open("test/places_test.c").read()
    name = differ(document, program)
    if name:
        sys.exit(name + ": docs/locking.md has %s, test/places_test.c %s" %
                 (places(document).get(name), tried(program).get(name)))
    for old, new, name in [
            ("TRY(ioasid_space_alloc, YES,", "TRY(ioasid_space_alloc, NO,",
             "ioasid_space_alloc"),
            ("TRY(ioasid_space_trim,", "TRY(ioasid_space_trimmed,",
             "ioasid_space_trim")]:
        if program.count(old) != 1 or \
                differ(document, program.replace(old, new)) != name:
            sys.exit("test/places_test.c: '%s' went unnoticed" % new)


def main():
    check_life_cycle()
    check_api()
    check_places()


if __name__ == "__main__":
    main()
