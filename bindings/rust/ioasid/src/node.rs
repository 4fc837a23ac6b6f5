// SPDX-License-Identifier: MIT
//! What a private pointer points to: a value, and how many own it.
//!
//! A node is owned by the space it can be found in, or by the [`Retired`] that
//! took it out, which is one count; and by each [`Ref`], one count more. Who
//! drops the last count defers the drop of the value: readers in sections own
//! nothing. Every way out of a space, `ioasid_space_remove()` and
//! `ioasid_space_exchange_data()`, hands the pointer to one caller, so that the
//! space's count is dropped once.
//!
//! [`Ref`]: crate::Ref
//! [`Retired`]: crate::Retired

use crate::Error;
use alloc::boxed::Box;
use core::{
    cell::UnsafeCell,
    ffi::c_void,
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering},
};
use ioasid_sys as sys;

pub(crate) type Head = sys::ioasid_rcu_head;

/// Counts of one node; on 32 bits within reach of a loop.
const MOST_OWNERS: usize = isize::MAX as usize;

/// First the head: a pointer to one is a pointer to the other.
#[repr(C)]
pub(crate) struct Node<T> {
    head: UnsafeCell<Head>,
    owners: AtomicUsize,
    value: T,
}

impl<T: 'static> Node<T> {
    /// A node with one count, the caller's.
    pub(crate) fn new(value: T) -> NonNull<Self> {
        let head = UnsafeCell::new(Head::default());
        let owners = AtomicUsize::new(1);
        NonNull::from(Box::leak(Box::new(Node { head, owners, value })))
    }

    /// The value of a node that nobody else knows.
    ///
    /// # Safety
    /// `node` is from `new`, with one count, which is the caller's and ends
    /// here; no reader can hold it.
    pub(crate) unsafe fn into_value(node: NonNull<Self>) -> T {
        // SAFETY: made by `Box::leak`, and by contract nobody else's.
        unsafe { Box::from_raw(node.as_ptr()) }.value
    }

    /// The value, for as long as the caller says.
    ///
    /// # Safety
    /// The node lasts for `'a`: the caller owns a count, or is in a read
    /// section, for so long.
    #[inline]
    pub(crate) unsafe fn value<'a>(node: *const Self) -> &'a T {
        // SAFETY: by contract. The value is only ever shared until the drop.
        unsafe { &(*node).value }
    }

    /// One count more, unless there is none: then its drop is deferred, and it
    /// returns false. [`Error::Overflow`]: as many as can be counted.
    ///
    /// # Safety
    /// As for `value`, for the call.
    pub(crate) unsafe fn try_own(node: NonNull<Self>) -> Result<bool, Error> {
        // SAFETY: by contract; the member is atomic.
        let owners = unsafe { &node.as_ref().owners };
        let more = |count| match count {
            0 | MOST_OWNERS => None,
            _ => Some(count + 1),
        };
        // Relaxed, as a count of Arc's: whoever has found the node has it
        // through the acquire of the lookup. That references of an ID are
        // limited does not limit the counts: a `Ref` can be forgotten, and its
        // reference dropped by `Space::put_restored`.
        match owners.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(true),
            Err(0) => Ok(false),
            Err(_) => Err(Error::Overflow),
        }
    }

    /// Is the caller's count the only one?
    ///
    /// # Safety
    /// The caller owns a count.
    pub(crate) unsafe fn is_sole(node: NonNull<Self>) -> bool {
        // SAFETY: by contract. Acquire: pairs with the release of `disown`.
        unsafe { node.as_ref() }.owners.load(Ordering::Acquire) == 1
    }

    /// Drops a count; true: it was the last, and the node is the caller's to
    /// retire.
    ///
    /// # Safety
    /// The caller owns a count, which ends here.
    pub(crate) unsafe fn disown(node: NonNull<Self>) -> bool {
        // SAFETY: by contract; the member is atomic. Release and acquire, as
        // in Arc: all uses of the value come before its drop.
        let owners = unsafe { &node.as_ref().owners };
        if owners.fetch_sub(1, Ordering::Release) != 1 {
            return false;
        }
        // Not a fence, which ThreadSanitizer does not follow.
        owners.load(Ordering::Acquire) == 0
    }

    /// The head; only who retires the node, or ends the space, touches it.
    pub(crate) fn head(node: NonNull<Self>) -> *mut Head {
        node.as_ptr().cast()
    }

    pub(crate) fn as_data(node: NonNull<Self>) -> *mut c_void {
        node.as_ptr().cast()
    }

    /// The node of a private pointer, which is NULL only by way of the
    /// library's own functions.
    pub(crate) fn from_data(data: *mut c_void) -> Option<NonNull<Self>> {
        NonNull::new(data.cast())
    }

    /// The callback of a node without counts: drops it.
    ///
    /// # Safety
    /// `head` is that of a `Node<T>` without counts, which no reader can hold
    /// and nobody else drops.
    pub(crate) unsafe extern "C" fn drop_head(head: *mut Head) {
        if crate::reader::abandoned() {
            // A thread ended inside of a read section, and what it found may
            // live on: see `reader`.
            return;
        }
        abort_on_panic(|| {
            // SAFETY: by contract: made by `Box::leak`, nobody else's.
            drop(unsafe { Box::from_raw(head.cast::<Self>()) });
        });
    }

    /// The callback of a node whose space has ended: drops the space's count.
    ///
    /// # Safety
    /// As for `drop_head`, but for the space's count and those of forgotten
    /// references.
    pub(crate) unsafe extern "C" fn disown_head(head: *mut Head) {
        // SAFETY: by contract; heads are never NULL.
        let node = unsafe { NonNull::new_unchecked(head.cast::<Self>()) };
        // SAFETY: the space's count, which ends with the space.
        if unsafe { Self::disown(node) } {
            // SAFETY: it was the last.
            unsafe { Self::drop_head(head) };
        }
    }
}

/// Runs what C called, through which no panic may pass.
pub(crate) fn abort_on_panic<R>(func: impl FnOnce() -> R) -> R {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            // Within unwinding: a second panic aborts, also without std.
            panic!("ioasid: a panic in a callback of the library's");
        }
    }
    let bomb = Bomb;
    let ret = func();
    core::mem::forget(bomb);
    ret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_do_not_begin_again() {
        let node = Node::new(5);
        // SAFETY: the node is this test's: two counts, then none.
        unsafe {
            assert!(Node::is_sole(node));
            assert_eq!(Node::try_own(node), Ok(true));
            assert!(!Node::is_sole(node));
            assert!(!Node::disown(node));
            assert!(Node::disown(node));
            assert_eq!(Node::try_own(node), Ok(false));
            assert_eq!(Node::into_value(node), 5);
        }
    }

    #[test]
    fn counts_do_not_overflow() {
        let node = Node::new(5);
        // SAFETY: the node is this test's; nobody owns so many counts.
        unsafe {
            node.as_ref().owners.store(MOST_OWNERS - 1, Ordering::Relaxed);
            assert_eq!(Node::try_own(node), Ok(true));
            assert_eq!(Node::try_own(node), Err(Error::Overflow));
            assert!(!Node::disown(node));
            Node::into_value(node);
        }
    }

    #[test]
    fn a_head_is_where_its_node_is() {
        let node = Node::new(5);
        assert_eq!(Node::head(node).cast(), Node::as_data(node));
        assert_eq!(Node::from_data(Node::as_data(node)), Some(node));
        // SAFETY: the node is this test's.
        unsafe { Node::into_value(node) };
    }
}
