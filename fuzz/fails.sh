#!/bin/bash
# SPDX-License-Identifier: MIT
# fails.sh PROGRAM: passes if a CHECK of the printed sequence fails.
out=$("$1" 2>&1)
status=$?
echo "$out"
[[ $status == 1 && $out == *": failed: "* ]]
