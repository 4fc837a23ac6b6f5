/* SPDX-License-Identifier: MIT */
/* One of two files of a program, each with a copy of the library. */
#define plugin_check COPY(check)
#define plugin_start_reclaimer COPY(start_reclaimer)
#include "plugin.c"

#ifdef COPY_MAIN
#ifdef __cplusplus
extern "C"
#endif
	int
	other_check(void);

int main(void)
{
	int wrong = 0;

	for (int i = 0; i < 3; i++)
		wrong += plugin_check() + other_check();
	return wrong != 0;
}
#endif
