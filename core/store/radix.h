/* SPDX-License-Identifier: MIT */
#ifndef IOASID_STORE_RADIX_H
#define IOASID_STORE_RADIX_H

#include <ioasid/store.h>

extern const struct ioasid_store_ops ioasid_radix_ops;

#endif /* IOASID_STORE_RADIX_H */
