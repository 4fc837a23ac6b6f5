// SPDX-License-Identifier: MIT
//! Who may use a space: any thread, or one.

use core::marker::PhantomData;
use ioasid_sys as sys;

pub(crate) mod sealed {
    /// What the crate alone implements, and knows of a mode.
    pub trait Sealed {
        /// `IOASID_RCU_*` of a space's own domain.
        const FLAVOUR: ioasid_sys::c_int;
        /// Can a thread end while its space goes on?
        const THREADS: bool;
    }
}

/// Who may use a space of values `T`: [`Shared`] or [`Local`].
pub trait Mode<T: ?Sized>: sealed::Sealed {}

/// Any thread, at any time: the library's flavour epoch.
///
/// It asks of values that they are [`Send`], as they are dropped on whatever
/// thread runs what is due, and [`Sync`], as many read them at once. Spaces of
/// this mode are made with the feature `std` alone.
#[derive(Debug)]
pub struct Shared(());

/// One thread: the library's flavour none.
#[derive(Debug)]
pub struct Local(PhantomData<*const ()>);

impl sealed::Sealed for Shared {
    const FLAVOUR: sys::c_int = sys::IOASID_RCU_EPOCH;
    const THREADS: bool = true;
}

impl sealed::Sealed for Local {
    const FLAVOUR: sys::c_int = sys::IOASID_RCU_NONE;
    const THREADS: bool = false;
}

#[cfg(feature = "std")]
impl<T: ?Sized + Send + Sync> Mode<T> for Shared {}
impl<T: ?Sized> Mode<T> for Local {}
