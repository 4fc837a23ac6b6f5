# SPDX-License-Identifier: MIT
"""What the Linux peer and the tests take from the installed kernel source."""

# Paths in the kernel tree; a trailing slash takes the whole directory.
LINUX_MEMBERS = [
    "drivers/iommu/ioasid.c",
    "drivers/iommu/iommu-sva-lib.c",
    "drivers/iommu/iommu-sva-lib.h",
    "include/linux/ioasid.h",
    "include/linux/list.h",
    "lib/test_ida.c",
    "lib/xarray.c",
    "include/linux/xarray.h",
    "tools/testing/radix-tree/idr-test.c",
]
