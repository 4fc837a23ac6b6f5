/* SPDX-License-Identifier: MIT */
#ifndef IOASID_COMPAT_LINUX_IOASID_H
#define IOASID_COMPAT_LINUX_IOASID_H

/*
 * The kernel's <linux/ioasid.h>, on the default space. See docs/linux.md.
 *
 * CONFIG_IOASID is not looked at. What the kernel has without it there is with
 * IOASID_DISABLED: nothing is handed out, and no library is needed.
 */

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

/**
 * pasid_valid - may it be an ID?
 * @ioasid: what alloc returned
 *
 * Context: any.
 * Return: false for INVALID_IOASID, and with IOASID_DISABLED for all.
 * Complexity: constant.
 */
static inline bool pasid_valid(ioasid_t ioasid)
{
#ifdef IOASID_DISABLED
	(void)ioasid;
	return false;
#else
	return ioasid != INVALID_IOASID;
#endif
}

#endif /* IOASID_COMPAT_LINUX_IOASID_H */
