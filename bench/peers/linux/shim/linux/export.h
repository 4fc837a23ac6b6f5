/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_EXPORT_H
#define SHIM_LINUX_EXPORT_H

/* A declaration, so that the semicolon after it is well-formed. */
#define EXPORT_SYMBOL(name) struct linux_shim_nothing
#define EXPORT_SYMBOL_GPL(name) struct linux_shim_nothing

#endif
