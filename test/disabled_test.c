/* SPDX-License-Identifier: MIT */
/* Not linked with the library: the stubs stand alone. */
#include <stdio.h>

#ifndef IOASID_DISABLED
#define IOASID_DISABLED
#endif
#include <ioasid/ioasid.h>

static DECLARE_IOASID_SET(set);

static struct ioasid_allocator_ops ops;

static int called;

static bool getter(void *data)
{
	called++;
	return data != NULL;
}

int main(void)
{
	int object, failed = 0;

#define EXPECT(condition)                                            \
	do {                                                         \
		if (!(condition)) {                                  \
			fprintf(stderr, "failed: %s\n", #condition); \
			failed = 1;                                  \
		}                                                    \
	} while (0)
	EXPECT(ioasid_alloc(&set, 0, 100, &object) == INVALID_IOASID);
	EXPECT(ioasid_alloc(NULL, 0, UINT32_MAX, NULL) == INVALID_IOASID);
	ioasid_free(0);
	EXPECT(ioasid_find(&set, 0, getter) == NULL);
	EXPECT(ioasid_find(NULL, 0, NULL) == NULL);
	EXPECT(ioasid_is_err(ioasid_err_ptr(-ENODEV)));
	EXPECT(ioasid_ptr_err(ioasid_err_ptr(-ENODEV)) == -ENODEV);
	EXPECT(called == 0);
	EXPECT(ioasid_set_data(0, &object) == -ENODEV);
	EXPECT(ioasid_get(0) == -ENODEV);
	EXPECT(!ioasid_put(0));
	EXPECT(ioasid_register_allocator(&ops) == -ENODEV);
	EXPECT(ioasid_register_allocator(NULL) == -ENODEV);
	EXPECT(ioasid_unregister_allocator(&ops) == -ENODEV);
	return failed;
}
