#!/bin/bash -eu
# SPDX-License-Identifier: MIT
exec bash -eu "$SRC/ioasid/fuzz/oss-fuzz/build.sh"
