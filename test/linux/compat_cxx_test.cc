// SPDX-License-Identifier: MIT
#include <linux/idr.h>
#include <linux/ioasid.h>

static DECLARE_IOASID_SET(set);
static DEFINE_IDR(idr);
static DEFINE_IDA(ida);

static bool tables(void *object)
{
	int id = idr_alloc(&idr, object, 5, 6, GFP_KERNEL);
	void *entry;
	bool same = id == 5 && idr_find(&idr, 5) == object;

	idr_for_each_entry(&idr, entry, id) same = same && entry == object;
	same = same && IS_ERR(idr_replace(&idr, object, 6)) &&
	       ida_alloc_min(&ida, 3, GFP_KERNEL) == 3;
	idr_destroy(&idr);
	ida_destroy(&ida);
	return same;
}

int main()
{
	int object;
	ioasid_t id = ioasid_alloc(&set, 1, 9, &object);

	if (!tables(&object))
		return 1;
	if (!pasid_valid(id) || ioasid_find(&set, id, nullptr) != &object)
		return 1;
	ioasid_free(id);
	void *found = ioasid_find(nullptr, id, nullptr);
	if (!IS_ERR(found) || !IS_ERR_OR_NULL(found) ||
	    found != ERR_PTR(-ENOENT))
		return 1;
	return PTR_ERR(found) != -ENOENT;
}
