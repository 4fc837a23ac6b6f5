/* SPDX-License-Identifier: MIT */
/*
 * The stores once more, compiled into the test that includes this, so that it
 * can reach inside them and count their steps. The names that the library has
 * too are changed.
 */
#ifndef IOASID_TEST_INSIDE_STORES_H
#define IOASID_TEST_INSIDE_STORES_H

static unsigned long steps;

#define IOASID_STEP() (steps++)

#define ioasid_bitmap_ops inside_bitmap_ops
#define ioasid_hash_ops inside_hash_ops
#define ioasid_radix_ops inside_radix_ops
#define ioasid_order_check inside_order_check
#define ioasid_order_create inside_order_create
#define ioasid_order_destroy inside_order_destroy
#define ioasid_order_forget inside_order_forget
#define ioasid_order_known inside_order_known
#define ioasid_order_occupied inside_order_occupied
#define ioasid_order_occupy inside_order_occupy
#define ioasid_order_vacant inside_order_vacant
#define ioasid_order_vacate inside_order_vacate

#include "core/store/bitmap.c"
#include "core/store/hash.c"
#include "core/store/order.c"
#include "core/store/radix.c"

#endif /* IOASID_TEST_INSIDE_STORES_H */
