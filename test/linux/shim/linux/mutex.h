/* SPDX-License-Identifier: MIT */
#ifndef TEST_SHIM_LINUX_MUTEX_H
#define TEST_SHIM_LINUX_MUTEX_H

#include <pthread.h>

#define DEFINE_MUTEX(name) pthread_mutex_t name = PTHREAD_MUTEX_INITIALIZER
#define mutex_lock(mutex) ((void)pthread_mutex_lock(mutex))
#define mutex_unlock(mutex) ((void)pthread_mutex_unlock(mutex))

/* A declaration, so that the semicolon after it is well-formed. */
#define EXPORT_SYMBOL_GPL(name) struct shim_nothing

#endif
