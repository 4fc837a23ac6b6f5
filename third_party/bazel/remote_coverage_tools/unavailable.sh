#!/bin/sh
# SPDX-License-Identifier: MIT
echo "the distribution's Bazel has no coverage report generator" >&2
exit 1
