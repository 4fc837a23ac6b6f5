// SPDX-License-Identifier: MIT
//! Domains that several spaces share, and spaces that could not end yet.

use crate::{error::check, space::Core, Error};
use ioasid_sys as sys;
use std::{
    fmt,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc, Mutex, PoisonError,
    },
    vec::Vec,
};

/// What protects the lookups of one or more spaces: an RCU domain.
///
/// Each space has one of its own unless its [`Builder`](crate::Builder) is given
/// one. A thread has places for four, and needs memory for more. Clones are the
/// same domain, which ends with the last of them and of its spaces.
#[derive(Clone)]
pub struct Domain(Arc<Inner>);

struct Inner(*mut sys::ioasid_rcu);

// SAFETY: the library's domains may be used by any thread; it ends when the
// last owner does, and nobody else destroys it.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: its last owner, and no space has it any more.
        if unsafe { sys::ioasid_rcu_destroy(self.0) } != 0 {
            bury(Grave { core: None, rcu: self.0, cookie: 0 });
        }
    }
}

/// What a [`Domain`] is to be; see [`Domain::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct DomainBuilder {
    pending: usize,
    retired: usize,
    reclaimer: bool,
    no_membarrier: bool,
}

impl DomainBuilder {
    /// Values that may wait to be dropped before a thread that frees another
    /// one waits, or in a section keeps it for later; 0: 65,536.
    pub fn pending_limit(mut self, values: usize) -> Self {
        self.pending = values;
        self
    }

    /// Bytes of structures that may wait for readers before no more is taken,
    /// and allocation answers [`Error::Again`]; 0: 64 MiB.
    pub fn retired_limit(mut self, bytes: usize) -> Self {
        self.retired = bytes;
        self
    }

    /// Have a thread of the library's drop values as soon as it may, so that
    /// no call that frees does.
    pub fn reclaimer(mut self, yes: bool) -> Self {
        self.reclaimer = yes;
        self
    }

    /// Use full fences, for a program that forbids itself `membarrier(2)`.
    pub fn no_membarrier(mut self, yes: bool) -> Self {
        self.no_membarrier = yes;
        self
    }

    /// Makes the domain.
    ///
    /// Context: takes a lock. Errors: [`Error::NoMemory`]. Complexity: the
    /// domains there are.
    pub fn build(self) -> Result<Domain, Error> {
        let config = sys::ioasid_rcu_config {
            pending_limit: self.pending,
            retired_limit: self.retired,
            reclaimer: self.reclaimer,
            no_membarrier: self.no_membarrier,
            ..Default::default()
        };
        let mut rcu = std::ptr::null_mut();
        // SAFETY: both are valid for the call; no hooks are given.
        check(unsafe { sys::ioasid_rcu_create(&config, &mut rcu) })?;
        Ok(Domain(Arc::new(Inner(rcu))))
    }
}

/// How a domain is doing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DomainStats {
    /// Threads registered.
    pub threads: usize,
    /// Values not yet dropped.
    pub pending: usize,
    /// Bytes of structures not yet freed.
    pub retired_bytes: usize,
    /// Nanoseconds since the oldest of them was deferred; 0 without any. If it
    /// grows, a guard is kept, or nobody calls what is due.
    pub oldest_ns: u64,
    /// Grace periods begun.
    pub grace_periods: u64,
}

impl Domain {
    /// A domain to be made, of all defaults.
    pub fn builder() -> DomainBuilder {
        DomainBuilder {
            pending: 0,
            retired: 0,
            reclaimer: false,
            no_membarrier: false,
        }
    }

    /// Waits until no guard is open that was when the call began.
    ///
    /// Context: waits. Errors: [`Error::Deadlock`] inside a guard of the
    /// domain, at once; [`Error::Io`]. Complexity: the threads registered.
    pub fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: the domain lives as long as `self`.
        check(unsafe { sys::ioasid_rcu_synchronize(self.raw()) }).map(drop)
    }

    /// How it is doing, of one moment.
    ///
    /// Context: takes the domain's lock; may be called inside a guard.
    /// Complexity: constant.
    pub fn stats(&self) -> DomainStats {
        let mut stats = sys::ioasid_domain_stats::default();
        // SAFETY: the domain lives as long as `self`.
        unsafe { sys::ioasid_rcu_stats(self.raw(), &mut stats) };
        DomainStats {
            threads: stats.threads,
            pending: stats.pending,
            retired_bytes: stats.retired_bytes,
            oldest_ns: stats.oldest_ns,
            grace_periods: stats.grace_periods,
        }
    }

    pub(crate) fn raw(&self) -> *mut sys::ioasid_rcu {
        (self.0).0
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Domain").field(&self.stats()).finish()
    }
}

/// A space, or else a domain, that could not be waited for.
struct Grave {
    core: Option<Core>,
    rcu: *mut sys::ioasid_rcu,
    cookie: u64,
}

// SAFETY: nobody else has either; of spaces only those come here that any
// thread may use, and whose values are Send.
unsafe impl Send for Grave {}

static GRAVES: Mutex<Vec<Grave>> = Mutex::new(Vec::new());
static WAITING: AtomicUsize = AtomicUsize::new(0);

fn bury(mut grave: Grave) {
    // SAFETY: the domain is there: its own grave, or its space's.
    grave.cookie = unsafe { sys::ioasid_rcu_start_poll(grave.rcu) };
    let mut graves = GRAVES.lock().unwrap_or_else(PoisonError::into_inner);
    graves.push(grave);
    WAITING.store(graves.len(), Ordering::Relaxed);
}

/// Puts a space aside that must not be waited for here.
pub(crate) fn put_aside(core: Core) {
    let rcu = core.rcu;
    bury(Grave { core: Some(core), rcu, cookie: 0 });
}

/// Ends what was put aside, if something was.
pub(crate) fn reclaim_if_any() {
    if WAITING.load(Ordering::Relaxed) != 0 {
        reclaim();
    }
}

/// Ends spaces and domains that could not end when they were dropped.
///
/// A space that is dropped inside a guard of its domain, or in the `drop` of a
/// value that the library calls, is put aside, with its values. Making and
/// dropping other spaces ends what was put aside; this is for programs that do
/// neither. It returns how many are left.
///
/// Context: drops values; waits, but not for the guards that kept them from
/// ending. In a domain that is shared it also waits for what was freed since, as
/// the drop of any space does, and so for a guard that was forgotten since.
/// Complexity: what is left, and the end of each.
pub fn reclaim() -> usize {
    let mut graves = GRAVES.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = std::mem::take(&mut *graves);
    WAITING.store(0, Ordering::Relaxed);
    drop(graves);
    // Not locked: values are dropped here, which may come back.
    for mut grave in taken {
        // SAFETY: the domain is there as long as its space is.
        let passed = unsafe { sys::ioasid_rcu_poll(grave.rcu, grave.cookie) };
        let ended = passed
            && match &mut grave.core {
                Some(core) => core.destroy().is_ok(),
                // SAFETY: its last owner is gone, and no space has it.
                None => unsafe { sys::ioasid_rcu_destroy(grave.rcu) == 0 },
            };
        if !ended {
            let mut graves =
                GRAVES.lock().unwrap_or_else(PoisonError::into_inner);
            graves.push(grave);
            WAITING.store(graves.len(), Ordering::Relaxed);
        }
    }
    WAITING.load(Ordering::Relaxed)
}
