// SPDX-License-Identifier: MIT
//! Read sections: what they find is theirs.

use crate::{
    error::{check, Error},
    mode::Mode,
    node::Node,
    reader,
    set::{Set, SetView},
    space::bounds,
    Handle, Id, Space,
};
use core::{
    ffi::c_void,
    fmt,
    marker::PhantomData,
    ops::RangeBounds,
    ptr::{null, null_mut, NonNull},
};
use ioasid_sys as sys;

/// A read section, from [`Space::read`]: what is found in it lasts as long.
///
/// Lookups take no lock and write nothing that threads share. Guards nest. While
/// one is open, this thread may call anything but what waits for a grace period,
/// which answers [`Error::Deadlock`]; and no value of its domain is dropped that
/// was found in it.
///
/// A guard is its thread's. One that is forgotten holds values up for ever; if
/// its thread then ends, no space of the process drops values any more.
///
/// A reference does not outlive its guard:
///
/// ```compile_fail,E0505
/// let space = ioasid::Space::<String>::new().unwrap();
/// let guard = space.read();
/// let value = guard.get(1);
/// drop(guard);
/// println!("{:?}", value);
/// ```
///
/// nor does a guard outlive its space:
///
/// ```compile_fail,E0505
/// let space = ioasid::Space::<String>::new().unwrap();
/// let guard = space.read();
/// drop(space);
/// guard.get(1);
/// ```
///
/// and no other thread has it:
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let space = ioasid::Space::<String>::new().unwrap();
/// send(space.read());
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: &T) {}
/// let space = ioasid::Space::<String>::new().unwrap();
/// share(&space.read());
/// ```
pub struct Guard<'s, T: 'static, M: Mode<T> = crate::Shared> {
    pub(crate) space: &'s Space<T, M>,
    /// Neither Send nor Sync: sections are of threads.
    _thread: PhantomData<*const ()>,
}

impl<'s, T: 'static, M: Mode<T>> Guard<'s, T, M> {
    #[inline]
    pub(crate) fn new(space: &'s Space<T, M>) -> Self {
        if M::THREADS {
            reader::enter();
        } else {
            reader::enter_local(&space.core.open);
        }
        // SAFETY: the domain lives as long as the space; the section is left
        // by `drop`, on this thread.
        unsafe { sys::ioasid_rcu_read_lock(space.core.rcu) };
        Guard { space, _thread: PhantomData }
    }

    /// The value of an ID.
    ///
    /// Context: wait-free. Complexity: bitmap one load, radix one a level, hash
    /// one cache line as a rule.
    #[inline]
    pub fn get(&self, id: Id) -> Option<&T> {
        // SAFETY: inside a section.
        let data = unsafe { sys::ioasid_rs_find_any(self.space.core.raw, id) };
        if data.is_null() {
            None
        } else {
            // SAFETY: a node of this space, found in the section, which lasts
            // for as long as `self` is borrowed.
            Some(unsafe { Node::value(data.cast()) })
        }
    }

    /// The value of an ID, or why not.
    ///
    /// Context, complexity: as [`get`](Self::get). Errors: [`Error::NotFound`].
    #[inline]
    pub fn find(&self, id: Id) -> Result<&T, Error> {
        self.get(id).ok_or(Error::NotFound)
    }

    /// The value of an ID if it is a set's.
    ///
    /// Context, complexity: as [`get`](Self::get). Errors: [`Error::NotFound`];
    /// [`Error::Access`] another set's.
    #[inline]
    pub fn find_in(&self, set: &Set<'_, T, M>, id: Id) -> Result<&T, Error> {
        // SAFETY: inside a section; the set lives for the call.
        let data = unsafe {
            sys::ioasid_rs_find(self.space.core.raw, set.raw.as_ptr(), id)
        };
        self.found(data)
    }

    /// The value of one use of an ID.
    ///
    /// Context, complexity: as [`get`](Self::get). Errors: [`Error::NotFound`];
    /// [`Error::Stale`] the ID was handed out again.
    #[inline]
    pub fn find_handle(&self, handle: Handle) -> Result<&T, Error> {
        self.find_handle_any(null(), handle)
    }

    /// [`find_handle`](Self::find_handle) if the ID is a set's.
    ///
    /// Errors: also [`Error::Access`] another set's.
    #[inline]
    pub fn find_handle_in(
        &self,
        set: &Set<'_, T, M>,
        handle: Handle,
    ) -> Result<&T, Error> {
        self.find_handle_any(set.raw.as_ptr(), handle)
    }

    #[inline]
    fn find_handle_any(
        &self,
        set: *const sys::ioasid_set,
        handle: Handle,
    ) -> Result<&T, Error> {
        // SAFETY: inside a section; the set lives for the call.
        let data = unsafe {
            let raw = self.space.core.raw;
            sys::ioasid_rs_find_handle(raw, set, handle.to_bits())
        };
        self.found(data)
    }

    /// A value, or an error pointer, of this section.
    #[inline]
    pub(crate) fn found(&self, data: *mut c_void) -> Result<&T, Error> {
        if data as usize > usize::MAX - sys::IOASID_ERRNO_MAX {
            return Err(Error::from_raw_errno(-(data as isize) as i32));
        }
        if data.is_null() {
            return Err(Error::NotFound);
        }
        // SAFETY: as in `get`.
        Ok(unsafe { Node::value(data.cast()) })
    }

    /// The ID that has a name in a set, and its value.
    ///
    /// Context: wait-free. Errors: [`Error::NotFound`];
    /// [`Error::CrossSpace`] a set of another space. Complexity: two lookups.
    pub fn find_spid(
        &self,
        set: &Set<'_, T, M>,
        spid: Id,
    ) -> Result<(Id, &T), Error> {
        self.find_spid_any(set.raw.as_ptr(), spid)
    }

    pub(crate) fn find_spid_any(
        &self,
        set: *const sys::ioasid_set,
        spid: Id,
    ) -> Result<(Id, &T), Error> {
        let (mut id, mut data) = (0, null_mut());
        // SAFETY: inside a section; set, `id` and `data` live for the call.
        check(unsafe {
            let raw = self.space.core.raw;
            sys::ioasid_spid_find(raw, set, spid, None, &mut id, &mut data)
        })?;
        Ok((id, self.found(data)?))
    }

    /// The IDs of a range and their values, ascending.
    ///
    /// An ID live throughout is met exactly once; one that comes or goes
    /// meanwhile, at most once. An empty range has none.
    ///
    /// Context: takes the space's lock for each step. Complexity: as
    /// `ioasid_space_next()`, each step.
    pub fn iter(&self, range: impl RangeBounds<Id>) -> Iter<'_, T, M> {
        self.iter_any(null(), range)
    }

    /// The IDs of a set in a range and their values, ascending, as
    /// [`iter`](Self::iter).
    pub fn iter_in<'g>(
        &'g self,
        set: &'g Set<'_, T, M>,
        range: impl RangeBounds<Id>,
    ) -> Iter<'g, T, M> {
        self.iter_any(set.raw.as_ptr(), range)
    }

    pub(crate) fn iter_any(
        &self,
        set: *const sys::ioasid_set,
        range: impl RangeBounds<Id>,
    ) -> Iter<'_, T, M> {
        let (next, max) = bounds(range);
        Iter { guard: self, set, next, max }
    }

    /// The lowest ID of a range, and its value.
    ///
    /// Context: takes the space's lock. Errors: [`Error::NotFound`] none;
    /// [`Error::Invalid`] an empty range. Complexity: as
    /// `ioasid_space_next()`.
    pub fn first(
        &self,
        range: impl RangeBounds<Id>,
    ) -> Result<(Id, &T), Error> {
        self.first_any(null(), range)
    }

    /// The lowest ID of a set in a range, and its value, as
    /// [`first`](Self::first).
    pub fn first_in(
        &self,
        set: &Set<'_, T, M>,
        range: impl RangeBounds<Id>,
    ) -> Result<(Id, &T), Error> {
        self.first_any(set.raw.as_ptr(), range)
    }

    fn first_any(
        &self,
        set: *const sys::ioasid_set,
        range: impl RangeBounds<Id>,
    ) -> Result<(Id, &T), Error> {
        let mut iter = self.iter_any(set, range);
        if iter.next > iter.max {
            return Err(Error::Invalid);
        }
        iter.next().ok_or(Error::NotFound)
    }

    /// The set that owns an ID, if one does.
    ///
    /// Context: takes the space's lock. Errors: [`Error::NotFound`].
    /// Complexity: as a lookup.
    pub fn set_of(&self, id: Id) -> Result<Option<SetView<'_, T, M>>, Error> {
        let mut set = null_mut();
        // SAFETY: the space and `set` live for the call.
        check(unsafe {
            sys::ioasid_set_of(self.space.core.raw, id, &mut set)
        })?;
        Ok(NonNull::new(set).map(|raw| SetView { guard: self, raw }))
    }

    /// The set with a token.
    ///
    /// Context: takes the space's lock. Errors: [`Error::NotFound`].
    /// Complexity: constant, as a rule.
    pub fn set_by_token(
        &self,
        token: core::num::NonZeroUsize,
    ) -> Result<SetView<'_, T, M>, Error> {
        let mut set = null_mut();
        // SAFETY: the space and `set` live for the call; tokens are only ever
        // compared.
        check(unsafe {
            let token = token.get() as *const c_void;
            sys::ioasid_set_by_token(self.space.core.raw, token, &mut set)
        })?;
        let raw = NonNull::new(set).ok_or(Error::NotFound)?;
        Ok(SetView { guard: self, raw })
    }
}

impl<T: 'static, M: Mode<T>> Drop for Guard<'_, T, M> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the section of `new`, on its thread, as guards are not Send.
        unsafe { sys::ioasid_rcu_read_unlock(self.space.core.rcu) };
        if M::THREADS {
            reader::leave();
        } else {
            reader::leave_local(&self.space.core.open);
        }
    }
}

impl<T: 'static, M: Mode<T>> fmt::Debug for Guard<'_, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(self.space).finish()
    }
}

/// IDs and values, from [`Guard::iter`].
pub struct Iter<'g, T: 'static, M: Mode<T> = crate::Shared> {
    guard: &'g Guard<'g, T, M>,
    set: *const sys::ioasid_set,
    next: Id,
    max: Id,
}

impl<'g, T: 'static, M: Mode<T>> Iterator for Iter<'g, T, M> {
    type Item = (Id, &'g T);

    fn next(&mut self) -> Option<Self::Item> {
        while self.next <= self.max {
            let space = self.guard.space;
            let (id, data) = match space.next(self.set, self.next, self.max) {
                Some(found) => found,
                None => break,
            };
            self.next = id + 1;
            if !data.is_null() {
                // SAFETY: a node of this space, in the section of the guard,
                // which is borrowed for as long.
                return Some((id, unsafe { Node::value(data.cast()) }));
            }
        }
        // From here on none, as iterators do well to say.
        self.next = 1;
        self.max = 0;
        None
    }
}

impl<T: 'static, M: Mode<T>> core::iter::FusedIterator for Iter<'_, T, M> {}

impl<T: 'static, M: Mode<T>> fmt::Debug for Iter<'_, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("next", &self.next).finish()
    }
}
