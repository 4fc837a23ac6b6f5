// SPDX-License-Identifier: MIT
#include <linux/ioasid.h>

static DECLARE_IOASID_SET(set);

int main()
{
	int object;
	ioasid_t id = ioasid_alloc(&set, 1, 9, &object);

	if (!pasid_valid(id) || ioasid_find(&set, id, nullptr) != &object)
		return 1;
	ioasid_free(id);
	void *found = ioasid_find(nullptr, id, nullptr);
	if (!IS_ERR(found) || !IS_ERR_OR_NULL(found) ||
	    found != ERR_PTR(-ENOENT))
		return 1;
	return PTR_ERR(found) != -ENOENT;
}
