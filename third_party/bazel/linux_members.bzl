# SPDX-License-Identifier: MIT
"""What the Linux peer and the tests take from the installed kernel source."""

# Paths in the kernel tree; a trailing slash takes the whole directory.
LINUX_MEMBERS = [
    "drivers/iommu/ioasid.c",
    "drivers/iommu/iommu-sva-lib.c",
    "drivers/iommu/iommu-sva-lib.h",
    "include/linux/idr.h",
    "include/linux/ioasid.h",
    "include/linux/list.h",
    "include/linux/radix-tree.h",
    "include/linux/xarray.h",
    "lib/idr.c",
    "lib/radix-tree.c",
    "lib/test_ida.c",
    "lib/xarray.c",
    "tools/testing/radix-tree/idr-test.c",
]
