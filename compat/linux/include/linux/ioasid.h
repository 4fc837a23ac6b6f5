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
#include <linux/ioasid_err.h>

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
