#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""api_reference.py: writes docs/api.md and docs/locking.md from the headers.

With --check it only says whether they are what it would write. A script of our
own because Doxygen does not parse comments of this form.
"""

import os
import re
import sys

ORDER = ["ioasid", "space", "set", "allocator", "notifier", "snapshot", "rcu",
         "store", "slot", "platform"]
SECTIONS = ["Context", "Return", "Ownership", "Complexity"]

# Functions that need no comment, and why.
INTERNAL = {
    r"ioasid_(state|generation)_\w+": "parts of the slot protocol",
    r"ioasid_(bitmap|radix|hash)_\w+": "a store's part of ioasid_store_find()",
    r"ioasid_rcu_((reader|section|epoch)_\w+|place|reads|\w+_slow)":
        "parts of ioasid_rcu_read_lock() and _unlock()",
    r"IOASID_(ABI_PROPERTIES|ASSERT)": "uses of macros",
    r"ioasid_(set_index|space_(may_read|find_use|read_moved|call_getter))":
        "parts of a lookup",
}

# Of the clauses of a Context line: what each means. The flags a clause has
# decide the class of its function and where it may be called.
CLAUSES = [
    # classes
    (r"any|wait-free( but for .*| after a thread's first use .*)?",
     {"wait-free"}),
    (r"lock-free( against get and put)?", {"lock-free"}),
    (r"space locked", {"held"}),
    (r"takes the space's lock( in between)?(, for long)?", {"space"}),
    (r"takes (a lock|locks|the domain's lock)( on first use)?", {"lock"}),
    (r"(takes (locks|the (space|domain)'s lock( in between)?(, for long)?), )?"
     r"(runs callbacks that are due|and calls @\w+( without it)?)", {"calls"}),
    (r"calls (notifiers|@\w+( without it)?)", {"calls"}),
    (r".*waits for (its calls|their calls|callbacks) on other threads"
     r"( and makes one)?", {"calls"}),
    (r"(takes the space's lock, )?waits( for a grace period.*"
     r"|, runs callbacks)?", {"waits"}),
    (r"(the last reference .*, and is )?as (?P<same>ioasid_\w+)\(\)", set()),
    # where
    (r"may be called in a read section(,? (and|if|but) .*)?", {"section"}),
    (r"inside a read section (of|or) .*", {"section"}),
    (r"not inside a read section", {"not section"}),
    (r"not inside a read section, a getter or a callback",
     {"not section", "not callback"}),
    (r"not in a signal handler", {"not signal"}),
    (r"no other call on @\w+ may run or follow", {"alone"}),
    # remarks
    (r"may (ask for memory|give memory back)", set()),
    (r"if there is no memory to register, .*", set()),
    (r"(it )?waits at the pending limit as ioasid_rcu_defer\(\) does", set()),
    (r"at the pending limit it waits for callbacks to be called", set()),
    (r"no atomic read-modify-write, no store to (a )?shared \w+", set()),
    (r"callers of get and put must be at rest", set()),
    (r"the configured hooks are called", set()),
    (r"asks for membarrier\(2\) until it is had", set()),
    (r"before the first use of the default space", set()),
    (r"after ioasid_rcu_thread_offline\(\)", set()),
    (r"no lookup until thread_online", set()),
]

# Flag, title, what it says; a function is in the first whose flag it has.
CLASSES = [
    ("waits", "May wait for a grace period",
     "Every reader of the domain holds these calls up; one that made them "
     "would wait\nfor itself."),
    ("calls", "Calls the program's functions",
     "Allocators, notifiers, deferred functions, what is passed. An "
     "allocator's call on\nanother thread is waited for."),
    ("held", "Called with the space's lock held", "For stores of one's own."),
    ("lock", "Takes another lock",
     "Of a domain, of the threads registered, or of the default space."),
    ("space", "Takes the space's lock",
     "And waits for nothing else."),
    ("lock-free", "Lock-free",
     "Waits for nobody; tries again if another thread changed the same word."),
    ("wait-free", "Wait-free",
     "Waits for nobody and takes a bounded number of steps, but for what the "
     "context\nsays."),
]

COLUMNS = ["in a read section", "from a getter", "from an allocator",
           "from a notifier", "in a signal handler"]


class Item:
    """Something with a comment: a function, struct, enum, type or macro."""

    def __init__(self, kind, name):
        self.kind = kind
        self.name = name
        self.short = []
        # name to text of what is described, and what there is to describe
        self.described = {}
        self.twice = []
        self.present = []
        self.paragraphs = []
        self.sections = {}
        self.prototype = ""
        self.returns = False

    def title(self):
        tagged = self.kind in ("struct", "enum")
        return "%s %s" % (self.kind, self.name) if tagged else self.name


class Header:
    def __init__(self, path):
        self.path = path
        self.intro = []
        self.items = []
        self.bare = []
        self.objects = []


def blank(text):
    """@text with comments, directives and stubs as spaces."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group())

    code = re.sub(r"^#else (/\* IOASID_DISABLED \*/).*?^#endif \1", spaces,
                  text, flags=re.M | re.S)
    code = re.sub(r"/\*.*?\*/", spaces, code, flags=re.S)
    code = re.sub(r"^#(.*\\\n)*.*$", spaces, code, flags=re.M)
    return re.sub(r'extern "C" \{|IOASID_(BEGIN|END)_DECLS', spaces, code)


def closing(code, at):
    """Past the brace that closes the one at @at."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(code, at):
        depth += 1 if brace.group() == "{" else -1
        if not depth:
            return brace.end()
    return len(code)


def declarations(code):
    """Start, end and head of each declaration."""
    at = 0
    while True:
        match = re.compile(r"[^\s};]").search(code, at)
        if not match:
            return
        start = match.start()
        stop = re.compile(r"[;{]").search(code, start)
        head = code[start:stop.start()]
        at = stop.end()
        if stop.group() == "{":
            at = closing(code, stop.start())
            if "(" not in head:
                at = code.index(";", at) + 1
        yield start, at, head


def split(text, mark):
    """At each @mark that is not in parentheses or braces."""
    parts, depth = [""], 0
    for char in text:
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(char, 0)
        if char == mark and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in map(str.strip, parts) if part]


def declared(text):
    """The name that a parameter or member declares."""
    text = re.sub(r"__attribute__\s*\(\(.*\)\)|\[.*?\]", "", text)
    match = re.search(r"\(\s*\*\s*(\w+)\s*\)", text)
    return match.group(1) if match else re.findall(r"\w+", text)[-1]


def prototype(head):
    """Of a function, on lines of 80 columns."""
    head = re.sub(r"\b(IOASID_\w*INLINE|inline)\s+", "", " ".join(head.split()))
    head = head.replace("* ioasid_", "*ioasid_")
    if len(head) < 80:
        return head + ";"
    opening = head.index("(", head.index(re.search(r"\w+\(", head).group()))
    lines = [head[:opening + 1]]
    for part in split(head[opening + 1:head.rindex(")")], ","):
        if lines[-1].endswith("("):
            lines[-1] += part
        elif len(lines[-1]) + len(part) + 3 < 80:
            lines[-1] += ", " + part
        else:
            lines[-1] += ","
            lines.append(" " * (opening + 1) + part)
    return "\n".join(lines) + ");"


def members(body):
    names = []
    for member in split(body, ";"):
        names += map(declared, split(member, ","))
    return names


def read_function(item, head):
    head = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", head)
    match = re.search(r"(\w+)\s*\((.*)\)", head, re.S)
    item.name = match.group(1)
    item.present = [declared(part) for part in split(match.group(2), ",")
                    if part != "void"]
    item.returns = not re.match(r"((IOASID_\w*INLINE|inline) )?void\s+\w+\s*\(",
                                head)
    item.prototype = prototype(head)


def read_declaration(text, code, start, end, head):
    """The item declared there, without its comment; None: nothing of ours."""
    head = head.strip()
    item = Item("function", None)
    if head.startswith("typedef"):
        item.kind = "type"
        item.name = declared(head)
        item.prototype = text[start:end]
    elif "(" in re.sub(r"__attribute__.*", "", head):
        read_function(item, head)
    elif re.match(r"(struct|enum) \w+$", head) and "{" in code[start:end]:
        item.kind, item.name = head.split()
        opening, last = code.index("{", start), code.rindex("}", start, end)
        private = text.find("/* private: */", opening, last)
        if private >= 0:
            last = text.rindex("\n", 0, private) + 1
        body = code[opening + 1:last]
        if item.kind == "struct":
            item.present = members(body)
            item.prototype = text[start:last] + "};"
            if private >= 0:
                item.prototype = text[start:last] + "\t/* private */\n};"
        else:
            item.present = [part.split("=")[0].strip()
                            for part in split(body, ",")]
    elif head.startswith("extern"):
        item.kind = "object"
        item.name = declared(head)
        item.prototype = " ".join(head.split()) + ";"
    else:
        return None
    return item


def read_comment(item, comment):
    """Fills in what the comment of @item says; its title."""
    lines = [re.sub(r"^ ?\* ?", "", line)
             for line in comment.strip().split("\n")]
    title, _, short = lines[0].strip().partition(" - ")
    # what a line without a mark of its own goes on with; None: a paragraph
    into = item.short = [short] if short else []
    for line in lines[1:]:
        member = re.match(r"(@\w+(?:, @\w+)*):\s+(.*)", line)
        section = re.match(r"(%s):\s+(.*)" % "|".join(SECTIONS), line)
        if member:
            into = [member.group(2)]
            for name in re.findall(r"\w+", member.group(1)):
                if name in item.described:
                    item.twice.append(name)
                item.described[name] = into
        elif section:
            into = item.sections[section.group(1)] = [section.group(2)]
        elif not line.strip():
            into = None
        else:
            if into is None:
                into = []
                item.paragraphs.append(into)
            into.append(line.rstrip())
    return title


def read_header(path, text, complain):
    header = Header(path)
    code = blank(text)
    comments = {}
    for match in re.finditer(r"/\*\*(.*?)\*/", text, re.S):
        after = re.compile(r"\S").search(text, match.end())
        comments[after.start() if after else len(text)] = match.group(1)
    intro = re.search(r"^/\*\n(.*?)^ \*/", text, re.M | re.S)
    if intro and intro.start() < min(comments, default=len(text)):
        header.intro = [re.sub(r"^ \* ?", "", line)
                        for line in intro.group(1).split("\n")]
    found = []
    for start, end, head in declarations(code):
        item = read_declaration(text, code, start, end, head)
        if item:
            found.append((start, item))
    for match in re.finditer(r"^#define (\w+)(.*\\\n)*.*$", text, re.M):
        item = Item("macro", match.group(1))
        item.prototype = re.sub(r"[ \t]+\\$", " \\\\", match.group(),
                                flags=re.M)
        found.append((match.start(), item))
    for start, item in sorted(found, key=lambda pair: pair[0]):
        comment = comments.pop(start, None)
        if comment is None:
            if item.kind == "function":
                header.bare.append(item)
            elif item.kind == "object" and " const " in item.prototype:
                header.objects.append(item)
            continue
        title = read_comment(item, comment)
        if title != item.title():
            complain("%s: the comment of %s is called '%s'" %
                     (path, item.title(), title))
        header.items.append(item)
    for comment in comments.values():
        complain("%s: nothing follows the comment '%s'" %
                 (path, comment.strip().split("\n")[0].strip("* ")))
    return header


def said(item, section):
    return " ".join(" ".join(item.sections.get(section, [])).split())


def clauses(item):
    """Of the Context of @item."""
    parts = re.split(r"[;.] +", said(item, "Context").rstrip("."))
    return [part[:1].lower() + part[1:] for part in parts]


def flags(item, functions, complain):
    """What the Context of @item says, by the clauses above."""
    result = set()
    for clause in clauses(item):
        for pattern, meaning in CLAUSES:
            match = re.fullmatch(pattern, clause)
            if match:
                result |= meaning
                same = match.groupdict().get("same")
                if same in functions and same != item.name:
                    result |= flags(functions[same], functions, complain)
                elif same:
                    complain("%s: Context '%s' is of no function with a class"
                             % (item.name, clause))
                break
        else:
            complain("%s: Context '%s' is of no known form" %
                     (item.name, clause))
    return result


def locking_class(item, functions, complain):
    has = flags(item, functions, complain)
    for flag, _, _ in CLASSES:
        if flag in has:
            return flag
    complain("%s: Context names no locking class" % item.name)
    return None


def refusal(item, where):
    """The error that Return gives for a call made in such a place."""
    for clause in said(item, "Return").split(";"):
        match = re.search(r"(-E[A-Z]+) .*?(%s)" % where, clause)
        if match:
            return "`%s`" % match.group(1)
    return None


def refusals(item, functions, where):
    """The same; \"no\" if it is another function's that @item is as."""
    found = refusal(item, where)
    same = re.search(r"\bas (ioasid_\w+)\(\)", said(item, "Context"))
    if not found and same and same.group(1) in functions and \
            refusals(functions[same.group(1)], functions, where):
        return "no"
    return found


def places(item, functions):
    """May it be called there? A cell for each of COLUMNS."""
    has = flags(item, functions, lambda message: None)
    never = "held" in has
    free = has & {"section", "wait-free", "lock-free"}
    if never or "not section" in has:
        section = "no"
    elif free and "waits" not in has:
        section = "yes"
    else:
        section = refusals(item, functions,
                           "(?<=-EDEADLK )inside a read section") or "no"
    allocator = refusals(item, functions,
                         "allocator's callback|callback of an allocator")
    notifier = refusals(item, functions, "notifier")
    # What is refused in a getter is refused there as well.
    if not allocator and section.startswith("`"):
        allocator = section
    if never or has & {"not callback", "alone"}:
        allocator = allocator or "no"
        notifier = notifier or "no"
    signal = not never and has & {"wait-free", "lock-free"} and not has & {
        "space", "lock", "calls", "waits", "not section", "not signal"}
    plain = said(item, "Context") in ("any.", "wait-free.")
    return [section, section, allocator or "yes",
            notifier or ("yes (1)" if "waits" in has else "yes"),
            ("yes" if plain else "yes (2)") if signal else "no"]


def check_function(item, complain):
    for name in item.present:
        if name not in item.described:
            complain("%s: @%s is not described" % (item.name, name))
    for section in SECTIONS:
        if section == "Return" and not item.returns:
            if section in item.sections:
                complain("%s: returns nothing" % item.name)
        elif section != "Ownership" and not said(item, section).strip():
            complain("%s: no %s" % (item.name, section))


def check(headers, complain):
    """All that the headers promise to say is said, of what there is."""
    items = [item for header in headers for item in header.items]
    functions = {item.name: item for item in items if item.kind == "function"}
    bare = [item for header in headers for item in header.bare]
    for pattern in INTERNAL:
        if not any(re.fullmatch(pattern, item.name) for item in bare):
            complain("tools/api_reference.py: no function is '%s'" % pattern)
    for item in bare:
        if not any(re.fullmatch(pattern, item.name) for pattern in INTERNAL):
            complain("%s: no comment" % item.name)
    known = {"%s()" % item.name for item in bare + items}
    known |= {item.title() for item in items}
    for item in items:
        if not item.short:
            complain("%s: no description" % item.title())
        for name in item.twice:
            complain("%s: @%s is described twice" % (item.title(), name))
        for name in item.described:
            if name not in item.present:
                complain("%s: there is no @%s" % (item.title(), name))
        if item.kind == "function":
            check_function(item, complain)
            if "Context" in item.sections:
                locking_class(item, functions, complain)
        else:
            for name in item.present:
                if name not in item.described:
                    complain("%s: @%s is not described" % (item.title(), name))
        for mention in re.findall(r"\bioasid_\w+\(\)|\b(?:struct|enum) "
                                  r"ioasid_\w+", text_of(item)):
            if mention not in known:
                complain("%s: there is no %s" % (item.title(), mention))


def text_of(item):
    parts = [*item.described.values(), *item.paragraphs,
             *item.sections.values()]
    return "\n".join("\n".join(part) for part in [item.short, *parts])


def markdown(text, links):
    """Words of the language as code, known ones as links, the rest escaped."""
    word = re.compile(
        r"(?:struct|enum)\s+ioasid_\w+|\bioasid_\w+\(\)|\*?@\w+(?:->\w+)?"
        r"|<[\w/.]+>|-E[A-Z0-9]+\b|\b[A-Za-z]\w*_[\w*]+(?:\(\))?"
        r"|\b_\w+\(\)|\bNULL\b")
    result, at = "", 0

    def escape(part):
        return re.sub(r"([*<>|\[\]`\\])", r"\\\1", part)

    for match in word.finditer(text):
        result += escape(text[at:match.start()])
        at = match.end()
        name = " ".join(match.group().replace("@", "").split())
        target = links.get(name)
        result += "[`%s`](%s)" % (name, target) if target else "`%s`" % name
    return result + escape(text[at:])


def code_block(text):
    return ["```c", text, "```", ""]


def item_lines(item, links):
    lines = ["### " + item.title(), "",
             markdown(" ".join(item.short), links), ""]
    if item.prototype:
        lines += code_block(item.prototype)
    if item.described:
        lines += ["| | |", "|---|---|"]
        told = {}
        for name, text in item.described.items():
            told.setdefault(id(text), (text, []))[1].append("`%s`" % name)
        for text, names in told.values():
            text = " ".join(" ".join(text).split())
            lines.append("| %s | %s |" % (", ".join(names),
                                          markdown(text, links)))
        lines.append("")
    for paragraph in item.paragraphs:
        for line in paragraph:
            # A list ends where a line is not indented.
            if lines[-1].startswith(("- ", "  ")) and line[:1] not in "- ":
                lines.append("")
            lines.append(markdown(line, links))
        lines.append("")
    for section in SECTIONS:
        if section in item.sections:
            lines.append("- **%s:** %s" %
                         (section, markdown(said(item, section), links)))
    if item.sections:
        lines.append("")
    return lines


def intro_lines(header, links):
    lines = []
    for line in header.intro:
        if line.startswith("\t"):
            lines.append(line.replace("\t", "    "))
        else:
            lines.append(markdown(line, links))
    while lines and not lines[-1]:
        lines.pop()
    return lines + [""] if lines else []


NOTE = "<!-- Written by tools/api_reference.py; edit the headers instead. -->"


def reference(headers, links):
    lines = [NOTE, "", "# API", "",
             "From the comments in the headers. Which calls wait, lock or call "
             "back, and from\nwhere they may be called, is in "
             "[locking.md](locking.md).", ""]
    for header in headers:
        lines.append("- [`%s`](#%s)" % (include(header), anchor(header)))
    for header in headers:
        lines += ["", "## " + include(header), ""]
        lines += intro_lines(header, links)
        if header.objects:
            lines += code_block("\n".join(item.prototype
                                          for item in header.objects))
        for item in header.items:
            lines += item_lines(item, links)
        while not lines[-1]:
            lines.pop()
    return "\n".join(lines) + "\n"


def include(header):
    return re.sub(r"^include/|^adapters/urcu/", "", header.path)


def anchor(header):
    return re.sub(r"[^\w-]", "", include(header))


def locking(functions, links):
    links = {name: "api.md" + target for name, target in links.items()}
    lines = [NOTE, "", "# Locking", "",
             "Every function by the strongest thing it may do, from the "
             "Context line of its\ncomment. *no*: not promised, or an error; "
             "an error is what the call answers there.",
             "",
             "1. Unless what it is told of was done in a read section.",
             "2. With the thread registered, and online with qsbr: see "
             "[rcu.md](rcu.md).", ""]
    classes = {}
    for item in functions.values():
        flag = locking_class(item, functions, lambda message: None)
        classes.setdefault(flag, []).append(item)
    for flag, title, text in reversed(CLASSES):
        if flag not in classes:
            continue
        lines += ["## " + title, "", text, "",
                  "| | context | %s |" % " | ".join(COLUMNS),
                  "|---|---" + "|:-:" * len(COLUMNS) + "|"]
        for item in classes[flag]:
            context = markdown(said(item, "Context"), links)
            lines.append("| [`%s`](api.md#%s) | %s | %s |" %
                         (item.name, item.name, context,
                          " | ".join(places(item, functions))))
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def sources(root):
    """Path and text of each public header, in the order of the reference."""
    names = [name for name in os.listdir(os.path.join(root, "include/ioasid"))
             if name.endswith(".h") and name != "namespace.h"]
    names.sort(key=lambda name: (ORDER.index(name[:-2]) if name[:-2] in ORDER
                                 else len(ORDER), name))
    paths = ["include/ioasid/" + name for name in names]
    paths.append("adapters/urcu/ioasid_urcu.h")
    return {path: open(os.path.join(root, path)).read() for path in paths}


def generate(texts):
    """The text of each document by its name, and all complaints."""
    complaints = []

    def complain(message):
        if message not in complaints:
            complaints.append(message)

    headers = [read_header(path, text, complain)
               for path, text in texts.items()]
    check(headers, complain)
    items = [item for header in headers for item in header.items]
    functions = {item.name: item for item in items if item.kind == "function"}
    links = {}
    for item in items:
        target = "#" + item.title().replace(" ", "-").lower()
        called = item.kind == "function"
        links[item.name + "()" if called else item.title()] = target
    return {"docs/api.md": reference(headers, links),
            "docs/locking.md": locking(functions, links)}, complaints


def main(arguments):
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    documents, complaints = generate(sources(root))
    if complaints:
        sys.exit("\n".join(complaints))
    for name, text in documents.items():
        path = os.path.join(root, name)
        if arguments != ["--check"]:
            with open(path, "w") as f:
                f.write(text)
        elif not os.path.exists(path) or open(path).read() != text:
            sys.exit("%s: not what tools/api_reference.py writes" % name)


if __name__ == "__main__":
    main(sys.argv[1:])
