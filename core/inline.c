/* SPDX-License-Identifier: MIT */

/*
 * The inline functions of the headers as external symbols: for languages that
 * cannot inline C, and for C that chose not to.
 */
#include "features.h"

#include <ioasid/ioasid.h>

extern inline ioasid_state_t
ioasid_state_make(uint32_t generation, uint32_t set, uint32_t refs, bool live);
extern inline uint32_t ioasid_state_generation(ioasid_state_t state);
extern inline uint32_t ioasid_state_set(ioasid_state_t state);
extern inline uint32_t ioasid_state_refs(ioasid_state_t state);
extern inline bool ioasid_state_moved(ioasid_state_t state);
extern inline bool ioasid_state_reserved(ioasid_state_t state);
extern inline bool ioasid_state_unused(ioasid_state_t state);
extern inline uint32_t ioasid_generation_next(uint32_t generation);
extern inline bool ioasid_generation_turns(uint32_t generation);
extern inline int ioasid_slot_read(const struct ioasid_slot *slot, uint32_t set,
				   uint32_t generation, void **data);
extern inline void ioasid_slot_publish(struct ioasid_slot *slot, void *data,
				       uint32_t set);
extern inline void ioasid_slot_reserve(struct ioasid_slot *slot, uint32_t set);
extern inline void ioasid_slot_publish_reserved(struct ioasid_slot *slot,
						void *data);
extern inline int ioasid_slot_free(struct ioasid_slot *slot, bool close);
extern inline int ioasid_slot_hide(struct ioasid_slot *slot);
extern inline void ioasid_slot_vacate(struct ioasid_slot *slot);
extern inline void ioasid_slot_hold(struct ioasid_slot *slot, uint32_t set);
extern inline int ioasid_slot_get(struct ioasid_slot *slot, uint32_t set,
				  uint32_t generation);
extern inline int ioasid_slot_put(struct ioasid_slot *slot,
				  ioasid_state_t *before);
extern inline void ioasid_slot_move(struct ioasid_slot *from,
				    struct ioasid_slot *to);

#ifndef IOASID_ONLY_NONE
extern inline void ioasid_rcu_reader_lock(const struct ioasid_rcu *rcu,
					  struct ioasid_rcu_reader *reader,
					  bool fence);
extern inline struct ioasid_rcu_reader *
ioasid_rcu_place(const struct ioasid_rcu *rcu);
extern inline bool ioasid_rcu_reads(const struct ioasid_rcu_reader *reader,
				    const struct ioasid_rcu *rcu);
extern inline void ioasid_rcu_epoch_lock(struct ioasid_rcu *rcu, bool fence);
extern inline void ioasid_rcu_epoch_unlock(struct ioasid_rcu *rcu);
extern inline void ioasid_rcu_reader_unlock(struct ioasid_rcu_reader *reader);
#endif
extern inline void ioasid_rcu_read_lock(struct ioasid_rcu *rcu);
extern inline void ioasid_rcu_read_unlock(struct ioasid_rcu *rcu);

extern inline struct ioasid_rcu_reader *
ioasid_rcu_section_enter(struct ioasid_rcu *rcu);
extern inline void ioasid_rcu_section_leave(struct ioasid_rcu *rcu,
					    struct ioasid_rcu_reader *reader);

extern inline struct ioasid_slot *
ioasid_bitmap_find(const struct ioasid_store *store, ioasid_t id);
#ifndef IOASID_NO_RADIX
extern inline void *ioasid_radix_child(void *node, uint32_t index);
#endif
extern inline struct ioasid_slot *
ioasid_radix_find(const struct ioasid_store *store, ioasid_t id);
#ifndef IOASID_NO_HASH
extern inline uint32_t ioasid_hash_index(const struct ioasid_hash_table *table,
					 ioasid_t id);
extern inline struct ioasid_slot *
ioasid_hash_table_find(const struct ioasid_hash_table *table, ioasid_t id);
#endif
extern inline struct ioasid_slot *
ioasid_hash_find_moved(const struct ioasid_store *store, ioasid_t id);
extern inline struct ioasid_slot *
ioasid_hash_find(const struct ioasid_store *store, ioasid_t id);
extern inline struct ioasid_slot *
ioasid_store_find(const struct ioasid_store *store, ioasid_t id);

extern inline struct ioasid_rcu *
ioasid_space_rcu(const struct ioasid_space *space);
extern inline uint32_t ioasid_set_index(const struct ioasid_space *space,
					const struct ioasid_set *set);
extern inline int ioasid_space_may_read(const struct ioasid_space *space);
extern inline ioasid_t ioasid_handle_id(ioasid_handle_t handle);
extern inline uint32_t ioasid_handle_generation(ioasid_handle_t handle);
extern inline int ioasid_space_find_use(const struct ioasid_space *space,
					const struct ioasid_set *set,
					ioasid_t id, uint32_t generation,
					void **data);
extern inline int ioasid_space_find_handle_rcu(const struct ioasid_space *space,
					       const struct ioasid_set *set,
					       ioasid_handle_t handle,
					       void **data);
extern inline int ioasid_space_find_handle(const struct ioasid_space *space,
					   const struct ioasid_set *set,
					   ioasid_handle_t handle,
					   bool (*getter)(void *data),
					   void **data);
extern inline int ioasid_space_find_rcu(const struct ioasid_space *space,
					const struct ioasid_set *set,
					ioasid_t id, void **data);
extern inline int ioasid_space_find(const struct ioasid_space *space,
				    const struct ioasid_set *set, ioasid_t id,
				    bool (*getter)(void *data), void **data);

extern inline void *ioasid_err_ptr(int error);
extern inline bool ioasid_is_err(const void *pointer);
extern inline int ioasid_ptr_err(const void *pointer);
#ifndef IOASID_DISABLED
extern inline void *ioasid_find(struct ioasid_set *set, ioasid_t ioasid,
				bool (*getter)(void *data));
#endif
