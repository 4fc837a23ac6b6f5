# SPDX-License-Identifier: MIT
"""count.py EVENTS STATUS: prints "PASSED FAILED SKIPPED" of a `bazel test`.

EVENTS is its --build_event_json_file, STATUS its exit status. A test without a
result has failed, unless Bazel skipped it as made for another platform, and so
has a run that ended badly or tested nothing.
"""

import json
import sys


def main():
    expected = set()
    passed = set()
    skipped = set()
    try:
        with open(sys.argv[1], encoding="utf-8") as events:
            for line in events:
                event = json.loads(line)
                ident = event["id"]
                if "testSize" in event.get("configured", {}):
                    expected.add(ident["targetConfigured"]["label"])
                if event.get("aborted", {}).get("reason") == "SKIPPED":
                    skipped.add(ident["targetCompleted"]["label"])
                if "testSummary" in event:
                    label = ident["testSummary"]["label"]
                    expected.add(label)
                    if event["testSummary"]["overallStatus"] == "PASSED":
                        passed.add(label)
    except (OSError, ValueError, KeyError) as error:
        print("count.py: %s: %r" % (sys.argv[1], error), file=sys.stderr)
        passed.clear()
    skipped &= expected - passed
    failed = expected - passed - skipped
    for label in sorted(failed):
        print("failed: " + label, file=sys.stderr)
    for label in sorted(skipped):
        print("skipped: " + label, file=sys.stderr)
    bad = len(failed)
    if not bad and (sys.argv[2] != "0" or not passed):
        bad = 1
    print(len(passed), bad, len(skipped))


main()
