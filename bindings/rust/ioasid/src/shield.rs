// SPDX-License-Identifier: MIT
//! Panics of functions that C calls while a caller in Rust waits for it.

#[cfg(feature = "std")]
use std::boxed::Box;

#[cfg(feature = "std")]
pub(crate) struct Shield(Option<Box<dyn std::any::Any + Send>>);

#[cfg(feature = "std")]
impl Shield {
    pub(crate) fn new() -> Self {
        Shield(None)
    }

    /// Calls a function; once one has panicked none is called any more.
    pub(crate) fn run<R>(
        &mut self,
        otherwise: R,
        func: impl FnOnce() -> R,
    ) -> R {
        if self.0.is_some() {
            return otherwise;
        }
        // The panic goes on once C has returned, so that what it left half
        // done is seen by nobody who would not have seen it anyway.
        let func = std::panic::AssertUnwindSafe(func);
        std::panic::catch_unwind(func).unwrap_or_else(|panic| {
            self.0 = Some(panic);
            otherwise
        })
    }

    /// Calls a function in any case.
    pub(crate) fn run_last(&mut self, func: impl FnOnce()) {
        let before = self.0.take();
        self.run((), func);
        if before.is_some() {
            // The first panic goes on. What another one was given is leaked: to
            // drop it may panic as well, and that would pass through C.
            core::mem::forget(core::mem::replace(&mut self.0, before));
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn resume(self) {
        if let Some(panic) = self.0 {
            std::panic::resume_unwind(panic);
        }
    }
}

#[cfg(not(feature = "std"))]
pub(crate) struct Shield;

#[cfg(not(feature = "std"))]
impl Shield {
    pub(crate) fn new() -> Self {
        Shield
    }

    pub(crate) fn run<R>(&mut self, _: R, func: impl FnOnce() -> R) -> R {
        crate::node::abort_on_panic(func)
    }

    pub(crate) fn run_last(&mut self, func: impl FnOnce()) {
        self.run((), func);
    }

    pub(crate) fn failed(&self) -> bool {
        false
    }

    pub(crate) fn resume(self) {}
}
