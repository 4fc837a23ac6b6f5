// SPDX-License-Identifier: MIT
//! Errors: what the library returns, as an enum.

use core::fmt;
use ioasid_sys as sys;

/// Declares the variants in the order of `ioasid_rs_errno`.
macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a call failed; on error nothing has changed unless the call
        /// says otherwise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[$doc])* $name,)*
            /// Another error number, such as a codec's own.
            Other(i32),
        }

        const KNOWN: [Error; 23] = [$(Error::$name),*];

        impl fmt::Display for Error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Error::$name => f.write_str($text),)*
                    Error::Other(number) => write!(f, "error {}", number),
                }
            }
        }
    };
}

errors! {
    /// EPERM
    NotPermitted = "this thread may not read here",
    /// ENOENT
    NotFound = "no such ID",
    /// EIO
    Io = "the system refuses membarrier, no grace period can end",
    /// E2BIG
    TooBig = "the range is too wide for the bitmap store",
    /// EAGAIN
    Again = "what is wanted waits for a grace period",
    /// ENOMEM
    NoMemory = "out of memory",
    /// EACCES
    Access = "another set's ID",
    /// EBUSY
    Busy = "in use, or its end is under way",
    /// EEXIST
    Exists = "exists already",
    /// EXDEV
    CrossSpace = "a set of another space",
    /// ENODEV
    NoDevice = "IDs of an allocator, and none is registered",
    /// EINVAL
    Invalid = "invalid argument",
    /// ENFILE
    TooManySets = "too many sets",
    /// ENOSPC
    NoSpace = "no vacant ID or no capacity left",
    /// ERANGE
    Range = "out of range",
    /// EDEADLK
    Deadlock = "the wait could never end here",
    /// EPROTO
    Protocol = "a snapshot of a later version",
    /// EBADMSG
    BadMessage = "not a snapshot, or damaged",
    /// EOVERFLOW
    Overflow = "too many references",
    /// ENAMETOOLONG
    NameTooLong = "the name is too long",
    /// ENOBUFS
    NoBuffers = "the buffer is too small",
    /// ESTALE
    Stale = "the ID was handed out again",
    /// EDQUOT
    Quota = "the quota of the set is used up",
}

impl Error {
    /// The error of a positive error number of the system's.
    ///
    /// Context: any. Complexity: constant.
    pub fn from_raw_errno(number: i32) -> Self {
        // SAFETY: a constant array, which nothing writes.
        let numbers = unsafe { &sys::ioasid_rs_errno };
        let place = numbers.iter().position(|&known| known == number);
        place.map_or(Error::Other(number), |place| KNOWN[place])
    }

    /// The system's positive number of this error.
    ///
    /// Context: any. Complexity: constant.
    pub fn raw_errno(self) -> i32 {
        match KNOWN.iter().position(|&known| known == self) {
            // SAFETY: a constant array, which nothing writes.
            Some(place) => unsafe { sys::ioasid_rs_errno[place] },
            None => match self {
                Error::Other(number) => number,
                _ => unreachable!("every other error is known"),
            },
        }
    }
}

/// A result of the library: 0 or more, or an error.
pub(crate) fn check(ret: sys::c_int) -> Result<sys::c_int, Error> {
    if ret < 0 {
        Err(Error::from_raw_errno(-ret))
    } else {
        Ok(ret)
    }
}

#[cfg(feature = "std")]
impl std::error::Error for Error {}

#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    /// The error of the same number.
    fn from(error: Error) -> Self {
        Self::from_raw_os_error(error.raw_errno())
    }
}

/// Declares an error that gives back what the call was to take.
macro_rules! giving_back {
    ($(#[$doc:meta])* $name:ident<$($life:lifetime,)? T $(, $m:ident)?>,
     $given:ty, $(#[$get_doc:meta])* $get:ident) => {
        $(#[$doc])*
        pub struct $name<$($life,)? T: 'static $(, $m: crate::Mode<T>)?> {
            pub(crate) error: Error,
            pub(crate) given: $given,
        }

        impl<$($life,)? T: 'static $(, $m: crate::Mode<T>)?>
            $name<$($life,)? T $(, $m)?>
        {
            /// Why the call failed.
            pub fn error(&self) -> Error {
                self.error
            }

            $(#[$get_doc])*
            pub fn $get(self) -> $given {
                self.given
            }
        }

        impl<$($life,)? T: 'static $(, $m: crate::Mode<T>)?> fmt::Debug
            for $name<$($life,)? T $(, $m)?>
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.error).finish()
            }
        }

        impl<$($life,)? T: 'static $(, $m: crate::Mode<T>)?> fmt::Display
            for $name<$($life,)? T $(, $m)?>
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.error.fmt(f)
            }
        }

        #[cfg(feature = "std")]
        impl<$($life,)? T: 'static $(, $m: crate::Mode<T>)?> std::error::Error
            for $name<$($life,)? T $(, $m)?>
        {
        }

        impl<$($life,)? T: 'static $(, $m: crate::Mode<T>)?>
            From<$name<$($life,)? T $(, $m)?>> for Error
        {
            /// The reason alone; what was given back is dropped.
            fn from(failed: $name<$($life,)? T $(, $m)?>) -> Self {
                failed.error
            }
        }
    };
}
pub(crate) use giving_back;

giving_back! {
    /// No ID, or no such ID: the value is given back.
    AllocError<T>, T,
    /// The value that was to be stored.
    into_value
}

giving_back! {
    /// [`Space::set_data`](crate::Space::set_data) failed.
    SetDataError<T>, Option<T>,
    /// The value that was to be stored; `None` where it is stored, but the wait
    /// for the readers of the one before failed.
    into_value
}
