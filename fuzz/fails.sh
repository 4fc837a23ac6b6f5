#!/bin/bash
# SPDX-License-Identifier: MIT
# fails.sh PROGRAM [ARGUMENT]...: passes if a CHECK in it fails.
out=$("$@" 2>&1)
status=$?
echo "$out"
[[ $status == 1 && $out == *": failed: "* ]]
