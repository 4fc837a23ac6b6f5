# SPDX-License-Identifier: MIT
"""The target whose library is built on a scheduler of its own."""

load("@rules_cc//cc:defs.bzl", "cc_library")
load("//bazel:builds.bzl", "BUILDS")
load("//bazel:copts.bzl", "C_COPTS")
load("//bazel:core.bzl", "CORE")
load(":fuzz_target.bzl", "fuzz_target")
load(":targets.bzl", "TARGETS")

_ABOUT = TARGETS["concurrent"]
_COPTS = ["-Iinclude", "-I.", "-includefuzz/concurrent/prelude.h"]
_FILES = [each for each in CORE if "core/%s.c" % each not in _ABOUT["without"]]
_PLANTED = _ABOUT["planted"]

def _path(name):
    return "core/%s.c" % name

def _flat(name):
    return "concurrent_ioasid_" + name.replace("/", "_")

def _defines(build):
    return ["-D" + each.replace('"', "\\\"") for each in _ABOUT["defines"] + BUILDS[build]]

def _sources():
    """Under names of their own: the library proper may be in the same build."""
    for each in _FILES:
        native.genrule(
            name = _flat(each) + "_source",
            outs = [_flat(each) + ".c"],
            cmd = "echo '#include \"%s\"' > $@" % _path(each),
        )
        if _path(each) not in _PLANTED:
            continue
        script = _PLANTED[_path(each)].replace("fuzz/", "", 1)
        native.genrule(
            name = _flat(each) + "_planted_source",
            srcs = [
                script,
                "//:sources",
            ],
            outs = [_flat(each) + "_planted.c"],
            cmd = "sed -f $(location %s) %s > $@ && grep -q vt_plants $@" %
                  (script, _path(each)),
        )

def concurrent_target():
    """Declares the library, as it is and with faults to plant, and the target."""
    _sources()
    for build in _ABOUT["builds"]:
        suffix = "_" + build if build else ""
        for planted in ["", "_planted"]:
            cc_library(
                name = "concurrent_ioasid" + planted + suffix,
                testonly = True,
                srcs = [
                    _flat(each) + (planted if _path(each) in _PLANTED else "") + ".c"
                    for each in _FILES
                ],
                # Headers of a planted file are beside the one that it was.
                copts = C_COPTS + _COPTS + _defines(build) + ["-iquotecore/space"],
                tags = ["manual"],
                textual_hdrs = native.glob(["concurrent/*.h"]) + ["//:sources"],
            )
        fuzz_target(
            name = "concurrent",
            about = dict(_ABOUT, builds = [build]),
            hdrs = ["//:checked_sources"],
            copts = _COPTS + _defines(build),
            own_library = ":concurrent_ioasid" + suffix,
            planted = ":concurrent_ioasid_planted" + suffix,
            without = ["concurrent/repro.c"],
            options = ["--twice"],
            # Some need an ID's first uses, which this build has not.
            notices = not build,
        )
