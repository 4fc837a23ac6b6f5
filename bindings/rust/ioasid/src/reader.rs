// SPDX-License-Identifier: MIT
//! What the library cannot know of guards: that a thread forgot one.
//!
//! A read section is its thread's, and ends with it. A guard need not be
//! dropped: `Box::leak()` of one makes references that outlive the thread, if
//! the space does, and they may have gone to other threads. So each thread
//! counts its guards, and one that ends with some open says so to all: from
//! then on no value is dropped any more. It is a leak after a leak.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Guards of threads that ended, and those made by a thread so close to its end
/// that it cannot count them any more.
static ABANDONED: AtomicUsize = AtomicUsize::new(0);

/// May values have readers that no grace period waits for?
pub(crate) fn abandoned() -> bool {
    // Relaxed: who added did so inside of its section, whose end, and so the
    // end of the grace period that the caller follows, comes after.
    ABANDONED.load(Ordering::Relaxed) != 0
}

#[cfg(feature = "std")]
mod counted {
    use super::{Ordering, ABANDONED};
    use std::cell::Cell;

    struct Open(Cell<usize>);

    impl Drop for Open {
        fn drop(&mut self) {
            // All still open: guards dropped from here on are taken off again.
            ABANDONED.fetch_add(self.0.get(), Ordering::Relaxed);
        }
    }

    thread_local! {
        // Clippy looks at the constant that it starts from.
        #[allow(clippy::declare_interior_mutable_const)]
        static OPEN: Open = const { Open(Cell::new(0)) };
    }

    /// Before a guard's section begins.
    #[inline]
    pub(crate) fn enter() {
        if OPEN.try_with(|open| open.0.set(open.0.get() + 1)).is_err() {
            ABANDONED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// After it has ended.
    #[inline]
    pub(crate) fn leave() {
        if OPEN.try_with(|open| open.0.set(open.0.get() - 1)).is_err() {
            ABANDONED.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(feature = "std")]
pub(crate) use counted::{enter, leave};

/// Without threads a section that is not left lasts for ever.
#[cfg(not(feature = "std"))]
pub(crate) fn enter() {}
#[cfg(not(feature = "std"))]
pub(crate) fn leave() {}
