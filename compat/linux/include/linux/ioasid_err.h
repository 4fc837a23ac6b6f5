/* SPDX-License-Identifier: MIT */
#ifndef IOASID_COMPAT_LINUX_IOASID_ERR_H
#define IOASID_COMPAT_LINUX_IOASID_ERR_H

/* The kernel's error pointers, for <linux/ioasid.h> and <linux/idr.h>. */

#include <ioasid/ioasid.h>

/* The kernel's, or a stand-in of the program's: then it has them all. */
#ifdef __has_include
#if __has_include(<linux/err.h>)
#include <linux/err.h>
#define IOASID_LINUX_ERR
#endif
#endif

/*
 * Macros, as a function of the same name may have been declared. Who declares
 * one later and elsewhere defines IOASID_LINUX_ERR.
 */
#ifndef IOASID_LINUX_ERR
#ifndef IS_ERR
#define IS_ERR(pointer) ioasid_is_err(pointer)
#endif
#ifndef IS_ERR_OR_NULL
#define IS_ERR_OR_NULL(pointer) \
	((uintptr_t)(pointer) - 1 >= (uintptr_t)-IOASID_ERRNO_MAX - 1)
#endif
#ifndef PTR_ERR
#define PTR_ERR(pointer) ((long)ioasid_ptr_err(pointer))
#endif
#ifndef ERR_PTR
#define ERR_PTR(error) ioasid_err_ptr((int)(error))
#endif
#endif

#endif /* IOASID_COMPAT_LINUX_IOASID_ERR_H */
