# SPDX-License-Identifier: MIT
"""Names for what is built from the kernel's source."""

def linux_names(name, srcs, out):
    """A header that gives what the kernel exports a prefix.

    Args:
      name: of the rule.
      srcs: files of the kernel.
      out: the header.
    """
    native.genrule(
        name = name,
        srcs = srcs,
        outs = [out],
        cmd = "sed -n 's/^EXPORT_SYMBOL\\(_GPL\\)\\{0,1\\}(\\([A-Za-z0-9_]*\\)).*/#define \\2 linux_kernel_\\2/p' $(SRCS) > $@",
    )
