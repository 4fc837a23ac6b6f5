#!/bin/bash -eu
# SPDX-License-Identifier: MIT
# Run by OSS-Fuzz and ClusterFuzzLite in their base-builder image. The compilers,
# their options and the fuzzing engine come from the environment, the targets
# from fuzz/targets.bzl; linux_diff is built where the image has $SRC/linux.
cd "$SRC/ioasid"
exec python3 fuzz/build --package --out "$OUT" --work "$WORK" --linux "$SRC/linux"
