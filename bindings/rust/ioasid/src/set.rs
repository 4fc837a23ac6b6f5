// SPDX-License-Identifier: MIT
//! Sets: owners of IDs, with limits and names of their own for them.

#[cfg(feature = "std")]
use crate::mode::Shared;
use crate::{
    error::{check, giving_back, AllocError, Error},
    guard::{Guard, Iter},
    mode::Mode,
    refs::{Ref, Retired},
    space::{c_name, string},
    Handle, Id, Space,
};
use alloc::string::String;
use core::{
    ffi::c_void,
    fmt,
    num::NonZeroUsize,
    ops::RangeBounds,
    ptr::{null_mut, NonNull},
};
use ioasid_sys as sys;

/// What a set is to be.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct SetConfig {
    name: String,
    token: Option<NonZeroUsize>,
    quota: u32,
    reserved: u32,
}

impl SetConfig {
    /// No name, no token, no limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name, of at most 31 bytes without NUL.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// A number that finds the set again.
    pub fn token(mut self, token: NonZeroUsize) -> Self {
        self.token = Some(token);
        self
    }

    /// IDs the set may have; 0: no limit.
    pub fn quota(mut self, ids: u32) -> Self {
        self.quota = ids;
        self
    }

    /// IDs of the space's capacity set aside for the set.
    pub fn reserved(mut self, ids: u32) -> Self {
        self.reserved = ids;
        self
    }
}

/// What a set is and has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SetInfo {
    /// Its name; empty if it has none.
    pub name: String,
    /// Its token.
    pub token: Option<NonZeroUsize>,
    /// IDs it may have; 0: no limit.
    pub quota: u32,
    /// IDs set aside for it.
    pub reserved: u32,
    /// IDs in use, pending and unpublished ones included.
    pub count: u32,
    /// SPIDs attached.
    pub spids: u32,
}

/// An owner of IDs, from [`Space::create_set`].
///
/// There is one `Set` of each: share it by reference. Dropping it ends the set if
/// it has no IDs; else the set, without a `Set`, stays with its space.
///
/// Its methods are those of [`Space`] whose names end in `_in`.
pub struct Set<'s, T: 'static, M: Mode<T> = crate::Shared> {
    space: &'s Space<T, M>,
    pub(crate) raw: NonNull<sys::ioasid_set>,
}

// SAFETY: the library's calls with a set may be made by any thread.
#[cfg(feature = "std")]
unsafe impl<T: Send + Sync + 'static> Send for Set<'_, T, Shared> {}
// SAFETY: as above; it gives out no more than the space does.
#[cfg(feature = "std")]
unsafe impl<T: Send + Sync + 'static> Sync for Set<'_, T, Shared> {}

giving_back! {
    /// The set could not be ended: it is there as before.
    SetError<'s, T, M>, Set<'s, T, M>,
    /// The set.
    into_set
}

impl<'s, T: 'static, M: Mode<T>> Set<'s, T, M> {
    /// Its space.
    pub fn space(&self) -> &'s Space<T, M> {
        self.space
    }

    /// [`Space::alloc_in`].
    pub fn alloc(
        &self,
        range: impl RangeBounds<Id>,
        value: T,
    ) -> Result<Id, AllocError<T>> {
        self.space.alloc_in(self, range, value)
    }

    /// [`Space::remove_in`].
    pub fn remove(&self, id: Id) -> Result<Retired<'s, T, M>, Error> {
        self.space.remove_in(self, id)
    }

    /// [`Space::get_in`].
    pub fn get(&self, id: Id) -> Result<Ref<'s, T, M>, Error> {
        self.space.get_in(self, id)
    }

    /// [`Space::get_handle`] if the ID is the set's.
    ///
    /// Errors: also [`Error::Access`] another set's.
    pub fn get_handle(&self, handle: Handle) -> Result<Ref<'s, T, M>, Error> {
        self.space.get_handle_in(self, handle)
    }

    /// Frees all its IDs, as [`Space::free_all`], and returns how many.
    ///
    /// Context, complexity: as [`Space::free_all`], over all IDs of the space.
    pub fn free_all(&self) -> u32 {
        self.space.free_all_of(self.raw.as_ptr())
    }

    /// Changes what the set may have.
    ///
    /// Context: takes the space's lock; may be called inside a guard. Errors:
    /// [`Error::Invalid`] `reserved` is more than `quota`; [`Error::Busy`] the
    /// set has more than `quota`; [`Error::NoSpace`] less capacity is left.
    /// Complexity: constant.
    pub fn limit(&self, quota: u32, reserved: u32) -> Result<(), Error> {
        // SAFETY: space and set live for the call.
        check(unsafe {
            let set = self.raw.as_ptr();
            sys::ioasid_set_limit(self.space.core.raw, set, quota, reserved)
        })
        .map(drop)
    }

    /// What it is and has, of one moment.
    ///
    /// Context: takes the space's lock; may be called inside a guard.
    /// Complexity: constant.
    pub fn info(&self) -> SetInfo {
        match info(self.space.core.raw, self.raw) {
            Ok(info) => info,
            Err(_) => unreachable!("the set is bound as long as it is here"),
        }
    }

    /// Ends the set.
    ///
    /// Context: takes the space's lock; may be called inside a guard. Errors,
    /// with the set given back: [`Error::Busy`] it has IDs, pending and
    /// unpublished ones included. Complexity: what its SPIDs needed.
    pub fn destroy(self) -> Result<(), SetError<'s, T, M>> {
        match self.end() {
            Ok(()) => {
                core::mem::forget(self);
                Ok(())
            }
            Err(error) => Err(SetError { error, given: self }),
        }
    }

    /// After it the set is not used, but for its drop if it failed.
    fn end(&self) -> Result<(), Error> {
        // SAFETY: the space lives for the call. This is the one `Set` of the
        // set, and is given up: what else has it are views in sections that
        // began before.
        check(unsafe {
            sys::ioasid_set_destroy(self.space.core.raw, self.raw.as_ptr())
        })
        .map(drop)
    }

    /// For `ioasid-sys`, beside [`Space::as_raw`].
    pub fn as_raw(&self) -> *mut sys::ioasid_set {
        self.raw.as_ptr()
    }
}

impl<T: 'static, M: Mode<T>> Drop for Set<'_, T, M> {
    fn drop(&mut self) {
        // With IDs it stays.
        let _ = self.end();
    }
}

impl<T: 'static, M: Mode<T>> fmt::Debug for Set<'_, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Set").field(&self.info()).finish()
    }
}

fn info(
    space: *mut sys::ioasid_space,
    set: NonNull<sys::ioasid_set>,
) -> Result<SetInfo, Error> {
    let mut raw = sys::ioasid_set_info::default();
    // SAFETY: the callers' space and set live for the call: a set of theirs, or
    // one found in a section that is open, where it is told if it has ended.
    check(unsafe { sys::ioasid_set_stats(space, set.as_ptr(), &mut raw) })?;
    Ok(SetInfo {
        // SAFETY: the name ends with NUL.
        name: unsafe { string(raw.name.as_ptr()) },
        token: NonZeroUsize::new(raw.token as usize),
        quota: raw.quota,
        reserved: raw.reserved,
        count: raw.count,
        spids: raw.spids,
    })
}

impl<T: 'static, M: Mode<T>> Space<T, M> {
    /// Makes a set.
    ///
    /// Context: takes the space's lock; may be called inside a guard. Errors:
    /// [`Error::Invalid`] more is set aside than the quota, or a NUL in the name;
    /// [`Error::NameTooLong`]; [`Error::Exists`] another set has the token;
    /// [`Error::NoSpace`] less capacity is left; [`Error::TooManySets`];
    /// [`Error::Again`] a place waits for a grace period; [`Error::NoMemory`].
    /// Complexity: constant, as a rule.
    pub fn create_set(
        &self,
        config: &SetConfig,
    ) -> Result<Set<'_, T, M>, Error> {
        let name = c_name(&config.name)?;
        let token = config.token.map_or(0, NonZeroUsize::get);
        let config = sys::ioasid_set_config {
            name: name.as_ptr().cast(),
            token: token as *mut c_void,
            quota: config.quota,
            reserved: config.reserved,
        };
        let mut set = null_mut();
        // SAFETY: the space, the configuration and `set` live for the call.
        check(unsafe {
            sys::ioasid_set_create(self.core.raw, &config, &mut set)
        })?;
        // SAFETY: just made, and no other `Set` has it.
        Ok(unsafe { self.own_set(set) })
    }

    /// # Safety
    /// A set of this space that no other `Set` has.
    pub(crate) unsafe fn own_set(
        &self,
        set: *mut sys::ioasid_set,
    ) -> Set<'_, T, M> {
        // SAFETY: sets are never NULL.
        let raw = unsafe { NonNull::new_unchecked(set) };
        Set { space: self, raw }
    }
}

/// A set that was found inside a guard: for lookups there.
///
/// It may be ended meanwhile, and then finds nothing.
pub struct SetView<'g, T: 'static, M: Mode<T> = crate::Shared> {
    pub(crate) guard: &'g Guard<'g, T, M>,
    pub(crate) raw: NonNull<sys::ioasid_set>,
}

impl<'g, T: 'static, M: Mode<T>> SetView<'g, T, M> {
    /// The value of an ID if it is the set's; see [`Guard::find_in`].
    pub fn find(&self, id: Id) -> Result<&'g T, Error> {
        // SAFETY: inside a section, where the set does not go away.
        let data = unsafe {
            let raw = self.guard.space.core.raw;
            sys::ioasid_rs_find(raw, self.raw.as_ptr(), id)
        };
        self.guard.found(data)
    }

    /// The ID that has a name in the set; see [`Guard::find_spid`].
    pub fn find_spid(&self, spid: Id) -> Result<(Id, &'g T), Error> {
        self.guard.find_spid_any(self.raw.as_ptr(), spid)
    }

    /// Its IDs of a range; see [`Guard::iter`].
    pub fn iter(&self, range: impl RangeBounds<Id>) -> Iter<'g, T, M> {
        self.guard.iter_any(self.raw.as_ptr(), range)
    }

    /// What it is and has; see [`Set::info`].
    ///
    /// Errors: [`Error::CrossSpace`] it was ended.
    pub fn info(&self) -> Result<SetInfo, Error> {
        info(self.guard.space.core.raw, self.raw)
    }

    /// Is it this one?
    pub fn is(&self, set: &Set<'_, T, M>) -> bool {
        self.raw == set.raw
    }
}

impl<T: 'static, M: Mode<T>> fmt::Debug for SetView<'_, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetView").field(&self.info()).finish()
    }
}
