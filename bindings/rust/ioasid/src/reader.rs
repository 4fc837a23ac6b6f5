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

/// Guards that may be open at once on a thread, or of a space of one thread: the
/// library counts sections that nest in 32 bits, and a count that begins again
/// ends the section of a guard that is still there.
const MOST: usize = i32::MAX as usize;

/// The count with one guard more.
#[inline]
fn one_more(open: usize) -> usize {
    assert!(open < MOST, "ioasid: too many guards are open");
    open + 1
}

/// The same for a space of one thread, which counts its own.
#[inline]
pub(crate) fn enter_local(open: &AtomicUsize) {
    open.store(one_more(open.load(Ordering::Relaxed)), Ordering::Relaxed);
}

/// After the section of one has ended.
#[inline]
pub(crate) fn leave_local(open: &AtomicUsize) {
    open.store(open.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
}

/// May values have readers that no grace period waits for?
pub(crate) fn abandoned() -> bool {
    // Relaxed: who added did so inside of its section, whose end, and so the
    // end of the grace period that the caller follows, comes after.
    ABANDONED.load(Ordering::Relaxed) != 0
}

#[cfg(feature = "std")]
mod counted {
    use super::{one_more, Ordering, ABANDONED};
    use std::cell::Cell;

    struct Open(Cell<usize>);

    impl Drop for Open {
        fn drop(&mut self) {
            // All still open: guards dropped from here on are taken off again.
            abandon(self.0.get());
        }
    }

    fn abandon(guards: usize) {
        let add = |all: usize| Some(all.saturating_add(guards));
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let _ = ABANDONED.fetch_update(set, fetch, add);
    }

    thread_local! {
        // Clippy looks at the constant that it starts from.
        #[allow(clippy::declare_interior_mutable_const)]
        static OPEN: Open = const { Open(Cell::new(0)) };
    }

    /// Before a guard's section begins.
    #[inline]
    pub(crate) fn enter() {
        if OPEN.try_with(|open| open.0.set(one_more(open.0.get()))).is_err() {
            // Those that are forgotten keep all values from here on.
            abandon(1);
        }
    }

    /// After it has ended.
    #[inline]
    pub(crate) fn leave() {
        if OPEN.try_with(|open| open.0.set(open.0.get() - 1)).is_err() {
            ABANDONED.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[cfg(test)]
    mod tests {
        use crate::{reader::MOST, LocalSpace, Space};
        use std::panic::{catch_unwind, AssertUnwindSafe};

        #[test]
        fn a_thread_has_no_more_guards_than_are_counted() {
            let space = Space::<u8>::new().unwrap();
            super::OPEN.with(|open| open.0.set(MOST - 1));
            let guard = space.read();
            assert!(catch_unwind(|| drop(space.read())).is_err());
            drop(guard);
            drop(space.read());
            super::OPEN.with(|open| open.0.set(0));
        }

        #[test]
        fn nor_has_a_space_of_one_thread() {
            let space = LocalSpace::<u8>::new_local().unwrap();
            let open = &space.core.open;
            open.store(MOST - 1, super::Ordering::Relaxed);
            let guard = space.read();
            let read = AssertUnwindSafe(|| drop(space.read()));
            assert!(catch_unwind(read).is_err());
            drop(guard);
            drop(space.read());
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
