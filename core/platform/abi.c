/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include <ioasid/platform.h>

/* What this build is, for whoever asks for it. */
#define DEFINE(property)                                  \
	void IOASID_ABI_NAME(built_with_, property)(void) \
	{                                                 \
	}

IOASID_ABI_PROPERTIES(DEFINE)

/* Linked as it is, a build for a shared library is right for all. */
#ifdef IOASID_SHARED
IOASID_BEGIN_INTERNAL
void IOASID_ABI_NAME(built_with_, shared_0)(void);
IOASID_END_INTERNAL
DEFINE(shared_0)
#endif
