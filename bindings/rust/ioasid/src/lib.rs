// SPDX-License-Identifier: MIT
#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_op_in_unsafe_fn, missing_docs, missing_debug_implementations)]

extern crate alloc;
#[cfg(feature = "std")]
#[macro_use]
extern crate std;

#[cfg(target_os = "none")]
compile_error!(
    "without an operating system the library is for one thread, which Rust \
     cannot promise: use ioasid-sys"
);

#[cfg(feature = "std")]
mod domain;
mod error;
mod guard;
mod mode;
mod node;
mod notifier;
mod reader;
mod refs;
mod set;
mod shield;
mod snapshot;
mod space;

#[cfg(feature = "std")]
pub use domain::{reclaim, Domain, DomainBuilder, DomainStats};
pub use error::{AllocError, Error, SetDataError};
pub use guard::{Guard, Iter};
pub use mode::{Local, Mode, Shared};
pub use notifier::{Event, Notice, Notifier};
pub use refs::{OwnedId, PublishError, Ref, Reserved, Retired, RetiredError};
pub use set::{Set, SetConfig, SetError, SetInfo, SetView};
pub use space::{Builder, LocalSpace, Reuse, Space, SpaceError, Stats, Store};

/// An ID: a plain number, as IDs are what hardware, kernels and wires carry.
///
/// `u32::MAX` is none.
pub type Id = u32;

/// The version of the library.
pub const VERSION: &str = ioasid_sys::IOASID_VERSION;

/// One use of one ID: its generation and the ID.
///
/// An ID that is freed and handed out again has another handle, so one kept for
/// too long is told apart. It repeats after about 2^32 uses of its ID, 4,096
/// where the processor has no 64-bit atomics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Handle(core::num::NonZeroU64);

impl Handle {
    /// The ID.
    pub fn id(self) -> Id {
        self.to_bits() as Id
    }

    /// Which use of the ID it is.
    pub fn generation(self) -> u32 {
        (self.to_bits() >> 32) as u32
    }

    /// The handle as a number, to be sent or stored.
    pub fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The handle of a number; `None` for 0. Any other one may be looked up.
    pub fn from_bits(bits: u64) -> Option<Self> {
        core::num::NonZeroU64::new(bits).map(Handle)
    }
}

impl core::fmt::Debug for Handle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}#{}", self.id(), self.generation())
    }
}
