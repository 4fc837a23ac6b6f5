// SPDX-License-Identifier: MIT
//! What a caller holds of one ID: a reference, the ID, its value.

#[cfg(feature = "std")]
use crate::mode::Shared;
use crate::{
    error::{check, giving_back, Error},
    mode::Mode,
    node::Node,
    Handle, Id, Space,
};
use core::{fmt, ops::Deref, ptr::NonNull};
use ioasid_sys as sys;

/// A reference to an ID and its value, from [`Space::get`].
///
/// After a free the ID is not handed out again, and the value not dropped,
/// before every reference is gone. After an [`exchange`](Space::exchange) it
/// still is to the value before. Dropping it is lock-free, but for the last one
/// of an ID that was freed, which is as [`Space::free`].
pub struct Ref<'s, T: 'static, M: Mode<T> = crate::Shared> {
    pub(crate) space: &'s Space<T, M>,
    pub(crate) node: NonNull<Node<T>>,
    pub(crate) id: Id,
}

// SAFETY: it owns a count of a node whose value any thread may read and drop,
// and a reference of an ID that any thread may put.
#[cfg(feature = "std")]
unsafe impl<T: Send + Sync + 'static> Send for Ref<'_, T, Shared> {}
// SAFETY: it gives out `&T` alone, and T is Sync.
#[cfg(feature = "std")]
unsafe impl<T: Send + Sync + 'static> Sync for Ref<'_, T, Shared> {}

impl<T: 'static, M: Mode<T>> Ref<'_, T, M> {
    /// The ID.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The handle of this use of the ID, while it is live.
    ///
    /// Context: any. Errors: [`Error::NotFound`] it was freed. Complexity: a
    /// lookup.
    pub fn handle(&self) -> Result<Handle, Error> {
        self.space.handle(self.id)
    }
}

impl<T: 'static, M: Mode<T>> Deref for Ref<'_, T, M> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the count is ours as long as `self` is there.
        unsafe { Node::value(self.node.as_ptr()) }
    }
}

impl<T: 'static, M: Mode<T>> Drop for Ref<'_, T, M> {
    fn drop(&mut self) {
        // SAFETY: the count and the reference from `Space::get`, each of which
        // ends here.
        unsafe {
            self.space.release(self.node);
            sys::ioasid_space_put(self.space.core.raw, self.id);
        }
    }
}

impl<T: fmt::Debug + 'static, M: Mode<T>> fmt::Debug for Ref<'_, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A value that is out of its space: removed, or replaced.
///
/// Readers may hold it for a grace period yet. Dropping this drops the value
/// once they have left, without waiting.
pub struct Retired<'s, T: 'static, M: Mode<T> = crate::Shared> {
    pub(crate) space: &'s Space<T, M>,
    pub(crate) node: NonNull<Node<T>>,
}

// SAFETY: as for `Ref`.
#[cfg(feature = "std")]
unsafe impl<T: Send + Sync + 'static> Send for Retired<'_, T, Shared> {}
// SAFETY: as for `Ref`.
#[cfg(feature = "std")]
unsafe impl<T: Send + Sync + 'static> Sync for Retired<'_, T, Shared> {}

giving_back! {
    /// The value could not be had: it is still retired.
    RetiredError<'s, T, M>, Retired<'s, T, M>,
    /// The value, still retired.
    into_retired
}

impl<'s, T: 'static, M: Mode<T>> Retired<'s, T, M> {
    /// Waits for the readers to leave and gives the value.
    ///
    /// Context: waits. Errors: [`Error::Busy`] a [`Ref`] to the value is there,
    /// or a thread forgot a [`Guard`](crate::Guard) and has ended;
    /// [`Error::Deadlock`] inside a guard; [`Error::Io`]. Complexity: a grace
    /// period.
    pub fn into_inner(self) -> Result<T, RetiredError<'s, T, M>> {
        if let Err(error) = self.space.synchronize() {
            return Err(RetiredError { error, given: self });
        }
        // SAFETY: the count is ours. Readers without a count that the grace
        // period did not wait for are those of `reader`.
        if crate::reader::abandoned() || !unsafe { Node::is_sole(self.node) } {
            return Err(RetiredError { error: Error::Busy, given: self });
        }
        let node = self.node;
        core::mem::forget(self);
        // SAFETY: the count was ours and the only one. It was out of the space
        // before the grace period: no reader holds it, or finds it to take
        // another count.
        Ok(unsafe { Node::into_value(node) })
    }

    /// Waits for the readers to leave, and drops the value here, unless there
    /// are references; on error once they have left.
    pub(crate) fn wait(self) -> Result<(), Error> {
        self.space.synchronize()?;
        let node = self.node;
        core::mem::forget(self);
        // SAFETY: the count was ours; if it was the last, no reader holds the
        // node, as in `into_inner`.
        unsafe {
            if Node::disown(node) {
                Node::<T>::drop_head(Node::head(node));
            }
        }
        Ok(())
    }
}

impl<T: 'static, M: Mode<T>> Deref for Retired<'_, T, M> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the count is ours as long as `self` is there.
        unsafe { Node::value(self.node.as_ptr()) }
    }
}

impl<T: 'static, M: Mode<T>> Drop for Retired<'_, T, M> {
    fn drop(&mut self) {
        // SAFETY: the count is ours, and ends here.
        unsafe { self.space.release(self.node) };
    }
}

impl<T: fmt::Debug + 'static, M: Mode<T>> fmt::Debug for Retired<'_, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// An ID that nobody finds yet, from [`Space::reserve_id`]; dropped, it is
/// given back.
pub struct Reserved<'s, T: 'static, M: Mode<T> = crate::Shared> {
    pub(crate) space: &'s Space<T, M>,
    pub(crate) id: Id,
}

giving_back! {
    /// The ID could not be published: it is still reserved.
    PublishError<'s, T, M>, (Reserved<'s, T, M>, T),
    /// The ID, still reserved, and the value.
    into_parts
}

impl<'s, T: 'static, M: Mode<T>> Reserved<'s, T, M> {
    /// The ID.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Lets the ID be found, with a value.
    ///
    /// Context: as [`Space::alloc`]. Errors, with both given back:
    /// [`Error::NoMemory`] what notifiers are to be told has to wait its turn.
    /// Complexity: as a lookup.
    pub fn publish(self, value: T) -> Result<Id, PublishError<'s, T, M>> {
        let node = Node::new(value);
        let (raw, id) = (self.space.core.raw, self.id);
        // SAFETY: the space lives for the call, and owns the node if it
        // succeeds.
        let ret = unsafe {
            sys::ioasid_space_publish_id(raw, id, Node::as_data(node))
        };
        match check(ret) {
            Ok(_) => {
                core::mem::forget(self);
                Ok(id)
            }
            Err(error) => {
                // SAFETY: not taken: nobody else has seen it.
                let value = unsafe { Node::into_value(node) };
                Err(PublishError { error, given: (self, value) })
            }
        }
    }
}

impl<T: 'static, M: Mode<T>> Drop for Reserved<'_, T, M> {
    fn drop(&mut self) {
        // SAFETY: the space lives for the call.
        unsafe { sys::ioasid_space_release_id(self.space.core.raw, self.id) };
    }
}

impl<T: 'static, M: Mode<T>> fmt::Debug for Reserved<'_, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reserved").field(&self.id).finish()
    }
}

/// An ID that is freed when this is dropped, unless somebody did before.
pub struct OwnedId<'s, T: 'static, M: Mode<T> = crate::Shared> {
    pub(crate) space: &'s Space<T, M>,
    pub(crate) id: Id,
    pub(crate) handle: Option<Handle>,
}

impl<T: 'static, M: Mode<T>> OwnedId<'_, T, M> {
    /// The ID.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The handle of this use of it; `None` if it is not owned any more.
    pub fn handle(&self) -> Option<Handle> {
        self.handle
    }

    /// The ID alone, which is then freed by whoever frees it.
    pub fn into_id(self) -> Id {
        let id = self.id;
        core::mem::forget(self);
        id
    }
}

impl<T: 'static, M: Mode<T>> Drop for OwnedId<'_, T, M> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle {
            // On error it was freed before, and is as it should be.
            let _ = self.space.free_handle(handle);
        }
    }
}

impl<T: 'static, M: Mode<T>> fmt::Debug for OwnedId<'_, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedId").field(&self.id).finish()
    }
}
