# SPDX-License-Identifier: MIT
"""Rules of a fuzz target, from its entry in targets.bzl."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")
load("//bazel:copts.bzl", "C_COPTS", "FUZZ_LINKOPTS")

# Of tests that a planted fault is noticed, to which a sanitizer has nothing to
# add.
PLAIN = [
    "no-asan",
    "no-msan",
    "no-tsan",
]

def fuzz_target(name, about, library = None, srcs = [], hdrs = [], without = [], copts = [], deps = [], own_library = None, planted = None, options = [], notices = True, tags = []):
    """Declares the programs of a target and the tests that its corpus makes.

    T_fuzzer is built with --config=fuzz, T_replay runs inputs without a fuzzer.
    T_corpus_test replays the corpus, T_faults_test wants each planted fault
    noticed by it as fuzz/T/faults.txt says, and T_text_test every input to survive
    its form as text.

    Args:
      name: of the target: T.
      about: its entry in TARGETS.
      library: to be given a suffix for each build; None: it has one of its own.
      srcs: files besides those of fuzz/T.
      hdrs: headers besides those of fuzz/T.
      without: those of fuzz/T that are not its own.
      copts: for its own files.
      deps: besides the library.
      own_library: the one it has of its own.
      planted: the same with faults to plant, for T_faults_test.
      options: of T_replay, for the corpus.
      notices: each planted fault, with its corpus.
      tags: of the tests.
    """
    corpus = native.glob(["corpora/%s/**" % name], allow_empty = False)
    own = [own_library] if own_library else []
    for build in about.get("builds", [""]):
        suffix = "_" + build if build else ""
        parts = {
            "_target": native.glob(
                ["%s/*.c" % name],
                exclude = without,
            ) + srcs + [
                "command.c",
                "failure.c",
                "input.c",
            ],
            "_libfuzzer": ["libfuzzer.c"],
            "_replay_main": ["replay.c"],
        }
        for part, sources in parts.items():
            cc_library(
                name = name + part + suffix,
                testonly = True,
                srcs = sources + native.glob(["%s/*.h" % name]) + hdrs + [
                    "check.h",
                    "input.h",
                    "target.h",
                ],
                copts = C_COPTS + copts,
                tags = ["manual"],
                deps = ([library % suffix] if library else []) + deps,
                alwayslink = True,
            )
        cc_binary(
            name = name + "_fuzzer" + suffix,
            testonly = True,
            linkopts = FUZZ_LINKOPTS,
            tags = ["manual"],
            deps = [
                name + "_libfuzzer" + suffix,
                name + "_target" + suffix,
            ] + own,
        )
        parts_of_replay = [
            name + "_replay_main" + suffix,
            name + "_target" + suffix,
        ]
        main = parts_of_replay + own
        cc_binary(
            name = name + "_replay" + suffix,
            testonly = True,
            deps = main,
        )
        cc_test(
            name = name + "_corpus_test" + suffix,
            size = "medium",
            args = options + ["fuzz/corpora/" + name],
            data = corpus,
            tags = tags,
            deps = main,
        )
        replay = ":%s_replay%s" % (name, suffix)
        faulty = replay
        if planted:
            faulty = ":%s_faulty_replay%s" % (name, suffix)
            cc_binary(
                name = faulty[1:],
                testonly = True,
                tags = ["manual"],
                deps = parts_of_replay + [planted],
            )
        if notices:
            native.sh_test(
                name = name + "_faults_test" + suffix,
                size = "medium",
                srcs = ["faults_test.sh"],
                args = [
                    "$(location %s)" % faulty,
                    "fuzz/%s/faults.txt" % name,
                    "fuzz/corpora/" + name,
                ],
                data = corpus + [
                    faulty,
                    name + "/faults.txt",
                ],
                tags = PLAIN,
            )
        native.sh_test(
            name = name + "_text_test" + suffix,
            size = "medium",
            srcs = ["//tools:fuzz_text"],
            args = [
                "check",
                "$(location %s)" % replay,
                "fuzz/corpora/" + name,
            ],
            data = corpus + [replay],
            tags = PLAIN,
        )

    # The seeds are what is written down.
    if "" in about.get("builds", [""]):
        replay = ":%s_replay" % name
        script = native.glob(["%s/seeds.py" % name])
        native.sh_test(
            name = name + "_seeds_test",
            size = "small",
            srcs = ["seeds_test.sh"],
            args = ["fuzz/corpora/" + name] + (
                ["fuzz/%s/seeds.py" % name] if script else [
                    "tools/fuzz_text",
                    "seeds",
                    "$(location %s)" % replay,
                    "fuzz/%s/seeds" % name,
                ]
            ),
            data = corpus + script + native.glob([
                "%s/*.h" % name,
                "%s/seeds/*.txt" % name,
            ]) + [
                replay,
                "//tools:fuzz_text",
            ],
            tags = PLAIN,
        )

def printed_fault(target, fault, define, hdrs, deps, faulty = []):
    """A program printed for a fault passes without it, and fails with it.

    Args:
      target: that prints it, from its corpus.
      fault: by name.
      define: plants it.
      hdrs: that the program includes.
      deps: that it is linked with,
      faulty: and what else where the fault is planted.
    """
    name = "%s_printed_%s" % (target, fault.replace("-", "_"))
    corpus = native.glob(["corpora/%s/**" % target])
    native.genrule(
        name = name + "_source",
        testonly = True,
        srcs = corpus,
        outs = [name + ".c"],
        # By the check that is meant to notice it.
        cmd = ("by=$$(sed -n 's/^{fault}: //p' $(location {target}/faults.txt)); " +
               "$(location :{target}_replay) --fault={fault} --by=\"$$by\" --print " +
               "$(SRCS) > $@ 2>/dev/null").format(
            fault = fault,
            target = target,
        ),
        tools = [
            target + "/faults.txt",
            ":%s_replay" % target,
        ],
    )
    cc_test(
        name = name + "_test",
        size = "small",
        srcs = [name + ".c"] + hdrs,
        copts = C_COPTS,
        tags = PLAIN,
        deps = deps,
    )
    cc_binary(
        name = name + "_faulty",
        testonly = True,
        srcs = [name + ".c"] + hdrs,
        copts = C_COPTS,
        local_defines = [define],
        deps = deps + faulty,
    )
    native.sh_test(
        name = name + "_faulty_test",
        size = "small",
        srcs = ["fails.sh"],
        args = ["$(location :%s_faulty)" % name],
        data = [":%s_faulty" % name],
        tags = PLAIN,
    )

def command_test(target, fault, words, data = []):
    """A printed program compiles by the command that it begins with.

    Args:
      target: that prints it, from its corpus.
      fault: by name.
      words: of the compiler, that plant it in the program.
      data: what the program needs besides the library and the target's own files.
    """
    native.sh_test(
        name = target + "_command_test",
        size = "medium",
        srcs = ["command_test.sh"],
        args = [
            "$(location :%s_replay)" % target,
            "'%s'" % fault,
            "fuzz/corpora/" + target,
        ] + words,
        data = native.glob([
            "*.h",
            "%s/*.c" % target,
            "%s/*.h" % target,
            "%s/faults.txt" % target,
            "corpora/%s/**" % target,
        ]) + [
            ":%s_replay" % target,
            "//:sources",
        ] + data,
        tags = PLAIN,
    )
