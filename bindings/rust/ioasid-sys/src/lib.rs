// SPDX-License-Identifier: MIT
//! Declarations of the C library ioasid.
//!
//! Functions, structures and constants are those of `ioasid.h`, of the same
//! names, and are documented there: `DEP_IOASID_INCLUDE` names its folder to
//! build scripts of crates that depend on this one. Safety: what the header
//! asks of callers; this crate adds and checks nothing.
#![no_std]
#![allow(non_camel_case_types)]
#![deny(missing_docs)]

use core::ffi::c_void;

/// C's `int`, which has 32 bits wherever the library runs.
pub type c_int = i32;
/// C's `char`, which Rust 1.63 names only in its standard library.
#[cfg(all(
    not(any(target_vendor = "apple", windows)),
    any(
        target_arch = "aarch64",
        target_arch = "arm",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "riscv32",
        target_arch = "riscv64",
        target_arch = "s390x",
    )
))]
pub type c_char = u8;
/// C's `char`, which Rust 1.63 names only in its standard library.
#[cfg(not(all(
    not(any(target_vendor = "apple", windows)),
    any(
        target_arch = "aarch64",
        target_arch = "arm",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "riscv32",
        target_arch = "riscv64",
        target_arch = "s390x",
    )
)))]
pub type c_char = i8;

/// An ID.
pub type ioasid_t = u32;
/// One use of one ID.
pub type ioasid_handle_t = u64;
/// No ID.
pub const INVALID_IOASID: ioasid_t = u32::MAX;
/// Bytes of a name, the final NUL included.
pub const IOASID_NAME_SIZE: usize = 32;
/// So many of the highest addresses are negative errnos.
pub const IOASID_ERRNO_MAX: usize = 4095;
/// The version of the headers that these declarations follow.
pub const IOASID_VERSION: &str = env!("CARGO_PKG_VERSION");

/// `enum ioasid_store_kind`: the radix store.
pub const IOASID_STORE_RADIX: c_int = 0;
/// `enum ioasid_store_kind`: the bitmap store.
pub const IOASID_STORE_BITMAP: c_int = 1;
/// `enum ioasid_store_kind`: the hash store.
pub const IOASID_STORE_HASH: c_int = 2;
/// `enum ioasid_store_kind`: the user's own.
pub const IOASID_STORE_CUSTOM: c_int = 3;
/// `enum ioasid_rcu_flavour`: epoch.
pub const IOASID_RCU_EPOCH: c_int = 0;
/// `enum ioasid_rcu_flavour`: quiescent states.
pub const IOASID_RCU_QSBR: c_int = 1;
/// `enum ioasid_rcu_flavour`: one thread.
pub const IOASID_RCU_NONE: c_int = 2;
/// `enum ioasid_rcu_flavour`: the user's own.
pub const IOASID_RCU_CUSTOM: c_int = 3;
/// `enum ioasid_reuse`: the lowest.
pub const IOASID_REUSE_LOWEST: c_int = 0;
/// `enum ioasid_reuse`: the next.
pub const IOASID_REUSE_CYCLIC: c_int = 1;
/// `enum ioasid_event`: handed out.
pub const IOASID_EVENT_ALLOC: c_int = 0;
/// `enum ioasid_event`: its life has ended.
pub const IOASID_EVENT_FREE: c_int = 1;
/// `enum ioasid_event`: somebody began to use it.
pub const IOASID_EVENT_BIND: c_int = 2;
/// `enum ioasid_event`: somebody ceased to.
pub const IOASID_EVENT_UNBIND: c_int = 3;
/// `enum ioasid_unregister`: not while it has IDs in use.
pub const IOASID_UNREGISTER_IDLE: c_int = 0;
/// `enum ioasid_unregister`: its IDs stay.
pub const IOASID_UNREGISTER_KEEP: c_int = 1;

/// Declares types that only C looks into.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub struct $name {
            _data: [u8; 0],
            _marker: core::marker::PhantomData<(
                *mut u8,
                core::marker::PhantomPinned,
            )>,
        }
    )*};
}

opaque! {
    /// A space.
    ioasid_space;
    /// An owner of IDs.
    ioasid_set;
    /// An RCU domain.
    ioasid_rcu;
    /// A flavour of the user's own: its address only.
    ioasid_rcu_ops;
    /// A store of the user's own: its address only.
    ioasid_store_ops;
}

/// Declares structures and, for tests, the numbers of their layout in the
/// order of `shim.c`.
macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    })*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
            }

            impl Default for $name {
                fn default() -> Self {
                    // SAFETY: all members are numbers, pointers, bools,
                    // options of functions and structures of these, for
                    // which zero is valid and what the header calls default.
                    unsafe { core::mem::zeroed() }
                }
            }
        )*

        #[cfg(test)]
        fn layout(mut check: impl FnMut(&str, &str, usize)) {
            $(
                check(stringify!($name), "size", core::mem::size_of::<$name>());
                check(stringify!($name), "alignment",
                    core::mem::align_of::<$name>());
                let base = core::mem::MaybeUninit::<$name>::uninit();
                $(
                    // SAFETY: the address alone is made, inside of `base`.
                    let field = unsafe {
                        core::ptr::addr_of!((*base.as_ptr()).$field)
                    };
                    check(stringify!($name), stringify!($field),
                        field as usize - base.as_ptr() as usize);
                )*
            )*
        }
    };
}

structures! {
    /// Where the library gets its memory.
    ioasid_memory {
        /// So many bytes.
        alloc: Option<unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void>,
        /// Gives back.
        free: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize)>,
        /// Zeroed bytes.
        reserve:
            Option<unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void>,
        /// Gives these back.
        release: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize)>,
        /// A part is not needed.
        discard: Option<
            unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> usize,
        >,
        /// First argument of each.
        context: *mut c_void,
        /// Offer large arrays to the system for huge pages.
        huge_pages: bool,
    }

    /// A lock of the user's.
    ioasid_lock_ops {
        /// Takes it.
        lock: Option<unsafe extern "C" fn(*mut c_void)>,
        /// Releases it.
        unlock: Option<unsafe extern "C" fn(*mut c_void)>,
        /// Argument of both.
        context: *mut c_void,
    }

    /// What a space is to be.
    ioasid_space_config {
        /// The lowest ID.
        min: ioasid_t,
        /// The highest ID.
        max: ioasid_t,
        /// `IOASID_STORE_*`.
        store: c_int,
        /// For `IOASID_STORE_CUSTOM`.
        store_ops: *const ioasid_store_ops,
        /// For `IOASID_STORE_CUSTOM`.
        store_context: *mut c_void,
        /// A domain to share.
        rcu: *mut ioasid_rcu,
        /// `IOASID_RCU_*`, of its own domain.
        flavour: c_int,
        /// Its memory.
        memory: ioasid_memory,
        /// Its lock.
        lock: ioasid_lock_ops,
        /// Where the hash store puts IDs.
        hash_seed: u64,
        /// `IOASID_REUSE_*`.
        reuse: c_int,
        /// Pass freed IDs over for a grace period.
        quarantine: bool,
        /// IDs at a time.
        capacity: u32,
        /// For dumps.
        name: *const c_char,
    }

    /// Counts of a space.
    ioasid_stats {
        /// IDs that can be found.
        live: u32,
        /// Freed, references remain.
        pending: u32,
        /// Reserved, not published.
        unpublished: u32,
        /// Vacant, waiting.
        quarantined: u32,
        /// Sets.
        sets: u32,
        /// Allocators.
        allocators: u32,
        /// Notifiers.
        notifiers: u32,
        /// IDs at a time.
        capacity: u32,
        /// Of it, in use or set aside.
        committed: u32,
        /// Of these, by `ioasid_space_reserve()`.
        reserved: u32,
        /// IDs handed out.
        allocs: u64,
        /// IDs freed.
        frees: u64,
        /// Calls that gave none.
        alloc_failed: u64,
        /// Calls that ended none.
        free_unknown: u64,
        /// Bytes.
        memory: usize,
    }

    /// What a set is to be.
    ioasid_set_config {
        /// Its name.
        name: *const c_char,
        /// Finds it again.
        token: *mut c_void,
        /// IDs it may have.
        quota: u32,
        /// IDs set aside for it.
        reserved: u32,
    }

    /// What a set is and has.
    ioasid_set_info {
        /// Its name.
        name: [c_char; IOASID_NAME_SIZE],
        /// Its token.
        token: *mut c_void,
        /// IDs it may have.
        quota: u32,
        /// IDs set aside for it.
        reserved: u32,
        /// IDs in use.
        count: u32,
        /// SPIDs attached.
        spids: u32,
    }

    /// What a domain is to be.
    ioasid_rcu_config {
        /// `IOASID_RCU_*`.
        flavour: c_int,
        /// For `IOASID_RCU_CUSTOM`.
        ops: *const ioasid_rcu_ops,
        /// For `IOASID_RCU_CUSTOM`.
        ops_context: *mut c_void,
        /// Its memory.
        memory: ioasid_memory,
        /// Callbacks that may wait.
        pending_limit: usize,
        /// Bytes that may wait.
        retired_limit: usize,
        /// A thread of its own calls what is due.
        reclaimer: bool,
        /// Full fences.
        no_membarrier: bool,
    }

    /// Storage for one deferred callback.
    ioasid_rcu_head {
        /// The domain's, while it has it.
        next: *mut ioasid_rcu_head,
        /// The callback.
        func: Option<unsafe extern "C" fn(*mut ioasid_rcu_head)>,
    }

    /// How a domain is doing.
    ioasid_domain_stats {
        /// Threads registered.
        threads: usize,
        /// Callbacks not yet called.
        pending: usize,
        /// Blocks of stores not yet freed.
        retired: usize,
        /// Their bytes.
        retired_bytes: usize,
        /// Age of the oldest, in nanoseconds.
        oldest_ns: u64,
        /// Grace periods begun.
        grace_periods: u64,
    }

    /// What a notifier is told.
    ioasid_notice {
        /// `IOASID_EVENT_*`.
        event: c_int,
        /// The space.
        space: *mut ioasid_space,
        /// The owner.
        set: *mut ioasid_set,
        /// The ID and its generation.
        handle: ioasid_handle_t,
        /// Its name in the set.
        spid: ioasid_t,
        /// Its private pointer.
        data: *mut c_void,
        /// Of `ioasid_space_notify()`.
        arg: *mut c_void,
    }

    /// A function that is told.
    ioasid_notifier {
        /// The function.
        notify: Option<
            unsafe extern "C" fn(*mut ioasid_notifier, *const ioasid_notice),
        >,
        /// It is the caller's again.
        release: Option<unsafe extern "C" fn(*mut ioasid_notifier)>,
        /// The higher is told first.
        priority: c_int,
        /// The library's.
        next: *mut ioasid_notifier,
        /// The library's.
        prev: *mut *mut ioasid_notifier,
        /// The library's.
        space: *const ioasid_space,
        /// The library's.
        set: u32,
        /// The library's.
        calls: u32,
        /// The library's.
        since: u64,
        /// The library's.
        ended: bool,
    }

    /// Where IDs come from.
    ioasid_allocator_ops {
        /// Gives an ID.
        alloc: Option<
            unsafe extern "C" fn(ioasid_t, ioasid_t, *mut c_void) -> ioasid_t,
        >,
        /// Takes it back.
        free: Option<unsafe extern "C" fn(ioasid_t, *mut c_void)>,
        /// Last argument of both.
        pdata: *mut c_void,
        /// It is the caller's again.
        release: Option<unsafe extern "C" fn(*mut ioasid_allocator_ops)>,
    }

    /// Pointers as numbers and back.
    ioasid_codec {
        /// The number for a private pointer.
        encode: Option<
            unsafe extern "C" fn(*mut c_void, ioasid_t, *mut c_void) -> u64,
        >,
        /// The private pointer for a number.
        decode: Option<
            unsafe extern "C" fn(
                *mut c_void,
                ioasid_t,
                u64,
                *mut *mut c_void,
            ) -> c_int,
        >,
        /// The number for a token.
        encode_token:
            Option<unsafe extern "C" fn(*mut c_void, *mut c_void) -> u64>,
        /// The token for a number.
        decode_token: Option<
            unsafe extern "C" fn(*mut c_void, u64, *mut *mut c_void) -> c_int,
        >,
        /// A set to take the place of the one described.
        restore_set: Option<
            unsafe extern "C" fn(
                *mut c_void,
                *const ioasid_set_info,
            ) -> *mut ioasid_set,
        >,
        /// Takes back what `decode` made.
        discard:
            Option<unsafe extern "C" fn(*mut c_void, ioasid_t, *mut c_void)>,
        /// First argument of each.
        context: *mut c_void,
    }
}

/// A getter of `ioasid_space_find()` and its like.
pub type ioasid_getter_t = Option<unsafe extern "C" fn(*mut c_void) -> bool>;

/// Declares functions of `ioasid.h`.
macro_rules! functions {
    ($($name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)?;)*) => {
        extern "C" {
            $(
                #[doc = concat!("`", stringify!($name), "()` of `ioasid.h`.")]
                pub fn $name($($arg: $type),*) $(-> $ret)?;
            )*
        }
    };
}

functions! {
    ioasid_version() -> *const c_char;

    ioasid_rcu_create(config: *const ioasid_rcu_config,
        rcu: *mut *mut ioasid_rcu) -> c_int;
    ioasid_rcu_destroy(rcu: *mut ioasid_rcu) -> c_int;
    ioasid_rcu_thread_register(rcu: *mut ioasid_rcu) -> c_int;
    ioasid_rcu_thread_unregister(rcu: *mut ioasid_rcu) -> c_int;
    ioasid_rcu_check_reader(rcu: *mut ioasid_rcu) -> c_int;
    ioasid_rcu_quiescent(rcu: *mut ioasid_rcu) -> c_int;
    ioasid_rcu_thread_offline(rcu: *mut ioasid_rcu) -> c_int;
    ioasid_rcu_thread_online(rcu: *mut ioasid_rcu) -> c_int;
    ioasid_rcu_read_lock(rcu: *mut ioasid_rcu);
    ioasid_rcu_read_unlock(rcu: *mut ioasid_rcu);
    ioasid_rcu_read_held(rcu: *mut ioasid_rcu) -> bool;
    ioasid_rcu_synchronize(rcu: *mut ioasid_rcu) -> c_int;
    ioasid_rcu_start_poll(rcu: *mut ioasid_rcu) -> u64;
    ioasid_rcu_poll(rcu: *mut ioasid_rcu, cookie: u64) -> bool;
    ioasid_rcu_defer(rcu: *mut ioasid_rcu, head: *mut ioasid_rcu_head,
        func: Option<unsafe extern "C" fn(*mut ioasid_rcu_head)>) -> c_int;
    ioasid_rcu_barrier(rcu: *mut ioasid_rcu) -> c_int;
    ioasid_rcu_pending(rcu: *const ioasid_rcu) -> usize;
    ioasid_rcu_stats(rcu: *mut ioasid_rcu, stats: *mut ioasid_domain_stats);

    ioasid_space_create(config: *const ioasid_space_config,
        space: *mut *mut ioasid_space) -> c_int;
    ioasid_space_destroy(space: *mut ioasid_space) -> c_int;
    ioasid_space_rcu(space: *const ioasid_space) -> *mut ioasid_rcu;
    ioasid_space_alloc(space: *mut ioasid_space, set: *mut ioasid_set,
        min: ioasid_t, max: ioasid_t, data: *mut c_void,
        id: *mut ioasid_t) -> c_int;
    ioasid_space_alloc_cyclic(space: *mut ioasid_space, set: *mut ioasid_set,
        min: ioasid_t, max: ioasid_t, data: *mut c_void, next: *mut ioasid_t,
        id: *mut ioasid_t) -> c_int;
    ioasid_space_reserve_id(space: *mut ioasid_space, set: *mut ioasid_set,
        min: ioasid_t, max: ioasid_t, id: *mut ioasid_t) -> c_int;
    ioasid_space_publish_id(space: *mut ioasid_space, id: ioasid_t,
        data: *mut c_void) -> c_int;
    ioasid_space_release_id(space: *mut ioasid_space, id: ioasid_t) -> c_int;
    ioasid_space_free(space: *mut ioasid_space, id: ioasid_t) -> c_int;
    ioasid_space_free_handle(space: *mut ioasid_space,
        handle: ioasid_handle_t) -> c_int;
    ioasid_space_remove(space: *mut ioasid_space, set: *const ioasid_set,
        id: ioasid_t, data: *mut *mut c_void) -> c_int;
    ioasid_space_free_all(space: *mut ioasid_space, count: *mut u32) -> c_int;
    ioasid_space_free_deferred(space: *mut ioasid_space, id: ioasid_t,
        head: *mut ioasid_rcu_head,
        func: Option<unsafe extern "C" fn(*mut ioasid_rcu_head)>) -> c_int;
    ioasid_space_get(space: *mut ioasid_space, set: *const ioasid_set,
        id: ioasid_t) -> c_int;
    ioasid_space_get_handle(space: *mut ioasid_space, set: *const ioasid_set,
        handle: ioasid_handle_t) -> c_int;
    ioasid_space_put(space: *mut ioasid_space, id: ioasid_t) -> c_int;
    ioasid_space_exchange_data(space: *mut ioasid_space, id: ioasid_t,
        data: *mut c_void, old: *mut *mut c_void) -> c_int;
    ioasid_space_set_data(space: *mut ioasid_space, id: ioasid_t,
        data: *mut c_void) -> c_int;
    ioasid_space_for_each(space: *mut ioasid_space, set: *const ioasid_set,
        min: ioasid_t, max: ioasid_t,
        func: Option<unsafe extern "C" fn(ioasid_t, *mut c_void, *mut c_void)
            -> c_int>,
        arg: *mut c_void) -> c_int;
    ioasid_space_next(space: *mut ioasid_space, set: *const ioasid_set,
        min: ioasid_t, max: ioasid_t, id: *mut ioasid_t,
        data: *mut *mut c_void) -> c_int;
    ioasid_space_trim(space: *mut ioasid_space) -> usize;
    ioasid_space_set_capacity(space: *mut ioasid_space,
        capacity: u32) -> c_int;
    ioasid_space_reserve(space: *mut ioasid_space, count: u32) -> c_int;
    ioasid_space_unreserve(space: *mut ioasid_space, count: u32) -> c_int;
    ioasid_space_stats(space: *mut ioasid_space, stats: *mut ioasid_stats);
    ioasid_space_validate(space: *mut ioasid_space,
        reason: *mut *const c_char) -> bool;
    ioasid_space_dump(space: *mut ioasid_space,
        print: Option<unsafe extern "C" fn(*const c_char, *mut c_void)>,
        arg: *mut c_void);
    ioasid_space_find_rcu(space: *const ioasid_space, set: *const ioasid_set,
        id: ioasid_t, data: *mut *mut c_void) -> c_int;
    ioasid_space_find_handle_rcu(space: *const ioasid_space,
        set: *const ioasid_set, handle: ioasid_handle_t,
        data: *mut *mut c_void) -> c_int;
    ioasid_space_find(space: *const ioasid_space, set: *const ioasid_set,
        id: ioasid_t, getter: ioasid_getter_t,
        data: *mut *mut c_void) -> c_int;
    ioasid_space_handle(space: *mut ioasid_space, set: *const ioasid_set,
        id: ioasid_t, handle: *mut ioasid_handle_t) -> c_int;
    ioasid_space_find_handle(space: *const ioasid_space,
        set: *const ioasid_set, handle: ioasid_handle_t,
        getter: ioasid_getter_t, data: *mut *mut c_void) -> c_int;

    ioasid_set_create(space: *mut ioasid_space,
        config: *const ioasid_set_config, set: *mut *mut ioasid_set) -> c_int;
    ioasid_set_destroy(space: *mut ioasid_space,
        set: *mut ioasid_set) -> c_int;
    ioasid_set_limit(space: *mut ioasid_space, set: *mut ioasid_set,
        quota: u32, reserved: u32) -> c_int;
    ioasid_set_stats(space: *mut ioasid_space, set: *const ioasid_set,
        stats: *mut ioasid_set_info) -> c_int;
    ioasid_set_by_token(space: *mut ioasid_space, token: *const c_void,
        set: *mut *mut ioasid_set) -> c_int;
    ioasid_set_of(space: *mut ioasid_space, id: ioasid_t,
        set: *mut *mut ioasid_set) -> c_int;
    ioasid_set_for_each(space: *mut ioasid_space,
        func: Option<unsafe extern "C" fn(*mut ioasid_set, *mut c_void)
            -> c_int>,
        arg: *mut c_void) -> c_int;
    ioasid_set_free_all(space: *mut ioasid_space, set: *mut ioasid_set,
        count: *mut u32) -> c_int;

    ioasid_spid_attach(space: *mut ioasid_space, id: ioasid_t,
        spid: ioasid_t) -> c_int;
    ioasid_spid_detach(space: *mut ioasid_space, id: ioasid_t) -> c_int;
    ioasid_spid_of(space: *mut ioasid_space, id: ioasid_t,
        spid: *mut ioasid_t) -> c_int;
    ioasid_spid_find(space: *const ioasid_space, set: *const ioasid_set,
        spid: ioasid_t, getter: ioasid_getter_t, id: *mut ioasid_t,
        data: *mut *mut c_void) -> c_int;

    ioasid_space_register_notifier(space: *mut ioasid_space,
        set: *mut ioasid_set, notifier: *mut ioasid_notifier) -> c_int;
    ioasid_space_unregister_notifier(space: *mut ioasid_space,
        notifier: *mut ioasid_notifier) -> c_int;
    ioasid_space_notify(space: *mut ioasid_space, id: ioasid_t, event: c_int,
        arg: *mut c_void) -> c_int;

    ioasid_space_register_allocator(space: *mut ioasid_space,
        ops: *mut ioasid_allocator_ops) -> c_int;
    ioasid_space_unregister_allocator(space: *mut ioasid_space,
        ops: *mut ioasid_allocator_ops, mode: c_int) -> c_int;

    ioasid_space_snapshot(space: *mut ioasid_space, codec: *const ioasid_codec,
        buffer: *mut c_void, size: usize, needed: *mut usize) -> c_int;
    ioasid_space_restore(space: *mut ioasid_space, codec: *const ioasid_codec,
        snapshot: *const c_void, size: usize) -> c_int;
}

extern "C" {
    /// `ioasid_space_find_rcu()` that returns the private pointer, or a
    /// negative errno as one of the highest addresses.
    pub fn ioasid_rs_find(
        space: *const ioasid_space,
        set: *const ioasid_set,
        id: ioasid_t,
    ) -> *mut c_void;
    /// `ioasid_space_find_rcu()` without a set that returns the private
    /// pointer, or NULL for any error.
    pub fn ioasid_rs_find_any(
        space: *const ioasid_space,
        id: ioasid_t,
    ) -> *mut c_void;
    /// `ioasid_space_find_handle_rcu()` in the manner of [`ioasid_rs_find`].
    pub fn ioasid_rs_find_handle(
        space: *const ioasid_space,
        set: *const ioasid_set,
        handle: ioasid_handle_t,
    ) -> *mut c_void;
    /// The system's numbers of the errors that the library returns: EPERM,
    /// ENOENT, EIO, E2BIG, EAGAIN, ENOMEM, EACCES, EBUSY, EEXIST, EXDEV,
    /// ENODEV, EINVAL, ENFILE, ENOSPC, ERANGE, EDEADLK, EPROTO, EBADMSG,
    /// EOVERFLOW, ENAMETOOLONG, ENOBUFS, ESTALE, EDQUOT.
    pub static ioasid_rs_errno: [c_int; 23];
}

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;
    use std::ffi::CStr;

    extern "C" {
        static ioasid_rs_layout: [usize; 1];
        static ioasid_rs_layout_count: usize;
    }

    fn c_layout() -> &'static [usize] {
        // SAFETY: `shim.c` defines an array of that many constants.
        unsafe {
            core::slice::from_raw_parts(
                core::ptr::addr_of!(ioasid_rs_layout).cast(),
                ioasid_rs_layout_count,
            )
        }
    }

    #[test]
    fn char_is_c_s() {
        let _: std::os::raw::c_char = 0 as c_char;
        let _: std::os::raw::c_int = 0 as c_int;
    }

    /// Every size, alignment and offset that differs from `expected`.
    fn differences(expected: &[usize]) -> usize {
        let mut expected = expected.iter();
        let mut count = 0;
        layout(|name, what, ours| {
            if expected.next() != Some(&ours) {
                std::eprintln!("{}: {}: {} here", name, what, ours);
                count += 1;
            }
        });
        count + expected.count()
    }

    #[test]
    fn structures_are_laid_out_as_in_c() {
        assert_eq!(differences(c_layout()), 0);
    }

    #[test]
    fn another_layout_is_noticed() {
        let mut planted = c_layout().to_vec();
        planted[9] += 8;
        assert_eq!(differences(&planted), 1);
        planted[9] -= 8;
        planted.push(0);
        assert_eq!(differences(&planted), 1);
    }

    #[test]
    fn version_is_the_library_s() {
        // SAFETY: the function returns a constant string.
        let version = unsafe { CStr::from_ptr(ioasid_version()) };
        assert_eq!(version.to_str(), Ok(IOASID_VERSION));
    }

    #[test]
    fn an_id_is_found() {
        // SAFETY: as the header asks; `space` is destroyed once, at the end.
        unsafe {
            let mut space = core::ptr::null_mut();
            assert_eq!(ioasid_space_create(core::ptr::null(), &mut space), 0);
            let mut value = 7u32;
            let data: *mut c_void = core::ptr::addr_of_mut!(value).cast();
            let mut id = 0;
            let none = core::ptr::null_mut();
            let ret = ioasid_space_alloc(space, none, 3, 9, data, &mut id);
            assert_eq!((ret, id), (0, 3));
            let rcu = ioasid_space_rcu(space);
            ioasid_rcu_read_lock(rcu);
            assert_eq!(ioasid_rs_find(space, none, 3), data);
            assert_eq!(ioasid_rs_find_any(space, 4), core::ptr::null_mut());
            let err = ioasid_rs_find(space, none, 4) as isize;
            assert_eq!(err, -(ioasid_rs_errno[1] as isize));
            ioasid_rcu_read_unlock(rcu);
            assert_eq!(ioasid_space_destroy(space), 0);
        }
    }
}
