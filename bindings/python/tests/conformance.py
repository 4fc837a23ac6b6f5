#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""conformance.py FILE...: runs conformance cases on the package.

The format is that of bindings/conformance/README.md. Operations are methods of
Run; their signatures are the words and keys that they take.
"""

import binascii
import errno
import inspect
import re
import sys

import ioasid

STORES = ("bitmap", "radix", "hash")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z", re.A)
NUMBER = re.compile(r"(0|[1-9][0-9]*)\Z", re.A)
SILENT = ("lock", "unlock", "use", "bytes")
# The names of the library's, where the system has two for a number.
ERRORS = {**errno.errorcode, errno.EDEADLK: "EDEADLK", errno.EAGAIN: "EAGAIN"}


class Malformed(Exception):
    """A file that is not run; line is where that shows."""

    def __init__(self, line, reason):
        super().__init__(reason)
        self.line = line


class Wrong(Exception):
    """A line is not as it must be."""


def name(text):
    if not NAME.match(text):
        raise Wrong(f"{text!r} is not a name")
    return text


def number(text, limit=1 << 32):
    if not NUMBER.match(text) or int(text) >= limit:
        raise Wrong(f"{text!r} is not a number below {limit}")
    return int(text)


def choice(*values):
    def read(text):
        if text not in values:
            raise Wrong(f"{text!r} is not one of {', '.join(values)}")
        return text

    return read


def label(text):
    if text == "none":
        raise Wrong("'none' is not a name= to give")
    return text


def pairs_of(words):
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key or not value:
            raise Wrong(f"{word!r} is not KEY=VALUE")
        if key in pairs:
            raise Wrong(f"{key!r} is there twice")
        pairs[key] = value
    return pairs


def to_obj(data):
    """A private pointer said as a number; 0 is none."""
    return data or None


def from_obj(obj):
    return obj or 0


class Case:
    def __init__(self, title, line, stores):
        self.title, self.line, self.stores = title, line, stores
        self.lines = []


def read_case(words, line):
    stores = STORES
    try:
        if len(words) not in (2, 3):
            raise Wrong("a case has a name and may have stores=")
        title = name(words[1])
        if len(words) == 3:
            keys = pairs_of(words[2:])
            stores = keys.pop("stores", "").split(",")
            if keys or len(set(stores)) != len(stores) or set(stores) - set(STORES):
                raise Wrong(f"{words[2]!r} does not name stores")
    except Wrong as wrong:
        raise Malformed(line, str(wrong)) from None
    return Case(title, line, stores)


def read_file(path):
    """The cases of a file whose form is right."""
    with open(path, encoding="utf-8", newline="\n") as stream:
        text = stream.read()
    lines = text.split("\n")
    cases, ended = [], False
    if lines.pop():
        raise Malformed(len(lines) + 1, "no line end at the end of the file")
    for line, content in enumerate(lines, 1):
        if not content or content.startswith("#"):
            continue
        words = content.split(" ")
        if "" in words or re.search(r"[\t\r\v\f]", content):
            raise Malformed(line, "words are divided by single spaces")
        if ended:
            raise Malformed(line, "a line after the end")
        if words[0] == "case":
            case = read_case(words, line)
            if any(case.title == other.title for other in cases):
                raise Malformed(line, f"a second case {case.title}")
            cases.append(case)
        elif words[0] == "end":
            ended = True
            if words[1:] != [str(len(cases))] or not cases:
                raise Malformed(line, f"there are {len(cases)} cases")
        elif not cases:
            raise Malformed(line, "a line before the first case")
        else:
            cases[-1].lines.append((line, words))
    if not ended:
        raise Malformed(len(lines), "no end: the file was cut off")
    return cases


class Names:
    """Of one kind, each bound once at a time."""

    def __init__(self, kind):
        self.kind, self.bound = kind, {}

    def free(self, key):
        if name(key) in self.bound:
            raise Wrong(f"{self.kind} {key!r} is bound")
        return key

    def __getitem__(self, key):
        if key not in self.bound:
            raise Wrong(f"{self.kind} {key!r} is not bound")
        return self.bound[key]

    def __setitem__(self, key, value):
        self.bound[key] = value

    def drop(self, value):
        self.bound = {k: v for k, v in self.bound.items() if v is not value}

    def of(self, value):
        for key, bound in self.bound.items():
            if bound is value:
                return key
        raise Wrong(f"a {self.kind} without a name")


def foreign(space, tenant):
    """Python calls these on the set, which knows its space: nothing is foreign."""
    if tenant.space is not space:
        raise ioasid.WrongSpace(errno.EXDEV, "of another space")


class Run:
    """One case on one store."""

    def __init__(self, store):
        self.store, self.current = store, None
        self.spaces, self.sets = Names("space"), Names("set")
        self.handles, self.snapshots = Names("handle"), Names("snapshot")
        self.cursors, self.sections = {}, {}

    @property
    def here(self):
        if self.current is None:
            raise Wrong("no space is in use")
        return self.current

    def depth(self):
        return sum(map(len, self.sections.values()))

    def end(self):
        for open_sections in self.sections.values():
            while open_sections:
                open_sections.pop().__exit__()
        for space in list(self.spaces.bound.values()):
            space.close()

    # How the value of a key is read, by its name.
    def read(self, key, text):
        if key == "set":
            if text == "none":
                raise Wrong("'none' is not the name of a set")
            return self.sets[text]
        if key == "handle":
            return number(text, 1 << 64) if text[:1].isdigit() else self.handles[text]
        if key == "cursor":
            return self.cursors.setdefault(name(text), ioasid.Cursor())
        if key == "from_":
            return self.snapshots[text]
        if key == "damage":
            offset, colon, value = text.partition(":")
            if not colon or not 1 <= number(value) <= 255:
                raise Wrong(f"{text!r} is not OFFSET:XOR")
            return number(offset), number(value)
        if key in ("as_", "name_"):
            return label(text) if key == "name_" else name(text)
        readers = {
            "accept": choice("no"),
            "quarantine": choice("no", "yes"),
            "reuse": choice("lowest", "cyclic"),
        }
        return readers.get(key, number)(text)

    def space(
        self,
        NAME,
        *,
        min=0,
        max=0,
        reuse="lowest",
        quarantine="no",
        capacity=0,
        name_=None,
    ):
        space = ioasid.Space(
            min,
            max,
            store=self.store,
            reuse=reuse,
            quarantine=quarantine == "yes",
            capacity=capacity,
            name=name_,
        )
        self.spaces[NAME] = self.current = space

    def use(self, NAME):
        self.current = self.spaces[NAME]

    def destroy(self):
        space = self.here
        space.close()
        self.spaces.drop(space)
        for key, tenant in list(self.sets.bound.items()):
            if tenant.space is space:
                self.sets.drop(tenant)
        self.current = None

    def alloc(self, *, set=None, min, max, data):
        return {"id": self.here.alloc(to_obj(data), min=min, max=max, set=set)}

    def alloc_cyclic(self, *, cursor, set=None, min, max, data):
        got = self.here.alloc_cyclic(cursor, to_obj(data), min=min, max=max, set=set)
        return {
            "result": "wrapped" if cursor.wrapped else "ok",
            "id": got,
            "next": cursor.next,
        }

    def reserve_id(self, *, set=None, min, max):
        return {"id": self.here.reserve_id(min=min, max=max, set=set).detach()}

    def publish_id(self, *, id, data):
        self.here.publish_id(id, to_obj(data))

    def release_id(self, *, id):
        self.here.release_id(id)

    def free(self, *, id):
        self.here.free(id)

    def free_handle(self, *, handle):
        self.here.free_handle(handle)

    def remove(self, *, set=None, id):
        return {"data": from_obj(self.here.remove(id, set))}

    def free_all(self):
        return {"count": self.here.free_all()}

    @staticmethod
    def getter(accept):
        return None if accept is None else lambda obj: False

    def find(self, *, set=None, id, accept=None):
        return {"data": from_obj(self.here.find(id, set, accept=self.getter(accept)))}

    def get(self, *, set=None, id, times=1):
        for _ in range(times):
            self.here.ref_get(id, set)

    def put(self, *, id, times=1):
        for _ in range(times):
            self.here.ref_put(id)

    def handle(self, *, set=None, id, as_):
        self.handles.free(as_)
        self.handles[as_] = handle = self.here.handle(id, set)
        return {"generation": handle.generation}

    def find_handle(self, *, set=None, handle, accept=None):
        found = self.here.find_handle(handle, set, accept=self.getter(accept))
        return {"data": from_obj(found)}

    def get_handle(self, *, set=None, handle):
        self.here.ref_get_handle(handle, set)

    def exchange(self, *, id, data):
        return {"old": from_obj(self.here.exchange(id, to_obj(data)))}

    def set_data(self, *, id, data):
        self.here.set_data(id, to_obj(data))

    def next(self, *, set=None, min, max):
        found, obj = self.here.next(min=min, max=max, set=set)
        return {"id": found, "data": from_obj(obj)}

    def for_each(self, *, set=None, min, max):
        visited = self.here.items(min=min, max=max, set=set)
        return {"ids": ",".join(f"{i}:{from_obj(obj)}" for i, obj in visited) or "none"}

    def capacity(self, *, count):
        self.here.capacity = count

    def reserve(self, *, count):
        self.here.reserve(count)

    def unreserve(self, *, count):
        self.here.unreserve(count)

    def stats(self):
        stats = self.here.stats()._asdict()
        for unnamed in ("notifiers", "memory"):
            del stats[unnamed]
        return stats

    def set(self, NAME, *, token=0, quota=0, reserved=0, name_=None):
        if NAME == "none":
            raise Wrong("'none' is not the name of a set")
        self.sets[NAME] = self.here.create_set(
            name_, token=to_obj(token), quota=quota, reserved=reserved
        )

    def set_destroy(self, *, set):
        foreign(self.here, set)
        set.destroy()
        self.sets.drop(set)

    def set_limit(self, *, set, quota, reserved):
        foreign(self.here, set)
        set.limit(quota=quota, reserved=reserved)

    def set_stats(self, *, set):
        foreign(self.here, set)
        stats = set.stats()._asdict()
        stats["count"] = stats.pop("ids")
        stats["name"] = stats["name"] or "none"
        stats["token"] = from_obj(stats["token"])
        return stats

    def said(self, tenant, as_):
        if as_ is None:
            return {"set": "none" if tenant is None else self.sets.of(tenant)}
        if tenant is None or tenant in self.sets.bound.values():
            raise Wrong("no set, or one that has a name")
        self.sets[self.sets.free(as_)] = tenant
        return None

    def set_by_token(self, *, token, as_=None):
        return self.said(self.here.set_by_token(to_obj(token)), as_)

    def set_of(self, *, id, as_=None):
        return self.said(self.here.set_of(id), as_)

    def set_free_all(self, *, set):
        foreign(self.here, set)
        return {"count": set.free_all()}

    def sets_(self):
        return {"count": len(self.here.sets())}

    def spid_attach(self, *, id, spid):
        self.here.spid_attach(id, spid)

    def spid_detach(self, *, id):
        self.here.spid_detach(id)

    def spid_of(self, *, id):
        return {"spid": self.here.spid_of(id)}

    def spid_find(self, *, set, spid, accept=None):
        found, obj = self.here.spid_find(set, spid, accept=self.getter(accept))
        return {"id": found, "data": from_obj(obj)}

    def snapshot(self, *, as_):
        self.snapshots.free(as_)
        saved = self.here.snapshot(lambda _, obj: obj, lambda token: token)
        self.snapshots[as_] = saved
        return {"size": len(saved), "crc": binascii.crc32(saved)}

    def bytes(self, NAME, HEX):
        if len(HEX) % 2 or not re.fullmatch("[0-9a-f]+", HEX):
            raise Wrong(f"{HEX!r} is not bytes")
        self.snapshots[NAME] = bytes.fromhex(HEX)

    def restore(self, *, from_, damage=None, length=None):
        copy = bytearray(from_)
        if length is not None:
            if length > len(copy):
                raise Wrong(f"the snapshot has {len(copy)} bytes")
            del copy[length:]
        if damage is not None:
            if damage[0] >= len(copy):
                raise Wrong(f"the snapshot has {len(copy)} bytes")
            copy[damage[0]] ^= damage[1]
        self.here.restore(copy, lambda _, number: number, lambda number: number)

    def lock(self):
        section = self.here.read()
        section.__enter__()
        self.sections.setdefault(self.here, []).append(section)

    def unlock(self):
        if not self.sections.get(self.here):
            raise Wrong("no read section to leave")
        self.sections[self.here].pop().__exit__()

    def synchronize(self):
        self.here.synchronize()

    def barrier(self):
        self.here.barrier()

    def trim(self):
        self.here.trim()

    def validate(self):
        reason = self.here.validate()
        if reason is not None:
            raise Wrong(f"validate: {reason}")


# Names of Python's own, and of what a case binds, are written otherwise.
OPERATIONS = {
    key.rstrip("_"): function
    for key, function in vars(Run).items()
    if inspect.isfunction(function)
    and not key.startswith("__")
    and key not in ("depth", "end", "read", "said")
}
BINDS = {"space": "spaces", "set": "sets", "bytes": "snapshots"}


def call(run, words):
    """What a line's call answers, as result and values."""
    function = OPERATIONS.get(words[0])
    if not function:
        raise Wrong(f"unknown operation {words[0]!r}")
    parameters = list(inspect.signature(function).parameters.values())[1:]
    plain = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    given = words[1 : 1 + len(plain)]
    if len(given) < len(plain) or any("=" in word for word in given):
        raise Wrong(f"{words[0]} takes {' '.join(plain)}")
    keyed = {p.name.rstrip("_"): p for p in parameters if p.kind is p.KEYWORD_ONLY}
    values = {}
    for key, text in pairs_of(words[1 + len(plain) :]).items():
        if key not in keyed:
            raise Wrong(f"{words[0]} has no key {key!r}")
        values[keyed[key].name] = run.read(keyed[key].name, text)
    for parameter in keyed.values():
        if parameter.default is parameter.empty and parameter.name not in values:
            raise Wrong(f"{words[0]} misses {parameter.name.rstrip('_')}=")
    if words[0] in BINDS:
        getattr(run, BINDS[words[0]]).free(given[0])
    if words[0] not in ("space", "bytes", "use"):
        run.here
    try:
        got = function(run, *given, **values) or {}
    except ioasid.IoasidError as error:
        return ERRORS[error.errno], {}
    except UnicodeEncodeError:
        raise Wrong("a name that is not UTF-8") from None
    return got.pop("result", "ok"), {key: str(got[key]) for key in got}


def check_line(run, words):
    silent = words[0] in SILENT
    at = words.index("->") if "->" in words else None
    if words[0] not in OPERATIONS:
        raise Wrong(f"unknown operation {words[0]!r}")
    if silent != (at is None):
        raise Wrong(f"{words[0]} has {'no' if silent else 'a'} result")
    wanted, values = "ok", {}
    if not silent:
        if at + 1 == len(words):
            raise Wrong("no result after ->")
        wanted, values = words[at + 1], pairs_of(words[at + 2 :])
        known = {"ok", *ERRORS.values()}
        if words[0] == "alloc_cyclic":
            known.add("wrapped")
        if wanted not in known:
            raise Wrong(f"{wanted!r} is not a result")
        if values and wanted in ERRORS.values():
            raise Wrong("no value follows an error")
    result, got = call(run, words[:at])
    if words[0] == "stats" and result == "ok":
        if not values:
            raise Wrong("no value of stats is looked at")
        got = {key: got[key] for key in got if key in values}
    if (result, got) != (wanted, values):
        raise Wrong(f"expected {wanted} {values}, got {result} {got}")


def run_case(path, case, store):
    run, line = Run(store), case.line
    try:
        for line, words in case.lines:
            check_line(run, words)
        line = case.line
        if run.depth():
            raise Wrong("ends in a read section")
        run.end()
        return True
    except (Wrong, ioasid.IoasidError) as wrong:
        print(f"{path}:{line}: {case.title} on {store}: {wrong}", file=sys.stderr)
        run.end()
        return False


def main(paths):
    passed = failed = counted = 0
    files = []
    for path in paths:
        try:
            cases = read_file(path)
            counted += sum(len(case.stores) for case in cases)
            files.append((path, cases))
        except Malformed as fault:
            print(f"{path}:{fault.line}: {fault}", file=sys.stderr)
            failed += 1
    for path, cases in files:
        for case in cases:
            for store in case.stores:
                if run_case(path, case, store):
                    passed += 1
                else:
                    failed += 1
    print(f"{passed} passed, {failed} failed")
    if not paths:
        print("no files", file=sys.stderr)
        return 2
    return int(failed != 0 or passed != counted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
