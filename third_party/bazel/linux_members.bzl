# SPDX-License-Identifier: MIT
"""What the Linux peer takes from the installed kernel source."""

# Paths in the kernel tree; a trailing slash takes the whole directory.
LINUX_MEMBERS = [
    "drivers/iommu/ioasid.c",
    "include/linux/ioasid.h",
    "include/linux/list.h",
    "lib/xarray.c",
    "include/linux/xarray.h",
]
