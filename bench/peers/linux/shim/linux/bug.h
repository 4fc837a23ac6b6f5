/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_BUG_H
#define SHIM_LINUX_BUG_H

#include <stdlib.h>

#define BUG() abort()
#define BUG_ON(condition)      \
	do {                   \
		if (condition) \
			BUG(); \
	} while (0)
#define WARN_ON(condition) (!!(condition))
#define WARN_ON_ONCE WARN_ON

#endif
