/* SPDX-License-Identifier: MIT */
#ifndef RELACY_LOCK_H
#define RELACY_LOCK_H

/* The library's lock as the model checker's mutex. */
struct ioasid_lock {
	uint32_t mutex;
};

#define IOASID_LOCK_INIT { 0 }

#ifdef __cplusplus
extern "C" {
#endif

bool model_lock_try(struct ioasid_lock *lock, const struct model_site *site);
void model_lock(struct ioasid_lock *lock, const struct model_site *site);
void model_unlock(struct ioasid_lock *lock, const struct model_site *site);

#ifdef __cplusplus
}
#endif

#define ioasid_lock_try(l) model_lock_try(l, MODEL_SITE(#l))
#define ioasid_lock(l) model_lock(l, MODEL_SITE(#l))
#define ioasid_unlock(l) model_unlock(l, MODEL_SITE(#l))
#define ioasid_lock_init(l) ((void)((l)->mutex = 0))
#define ioasid_lock_destroy(l) ((void)(l))

#endif /* RELACY_LOCK_H */
