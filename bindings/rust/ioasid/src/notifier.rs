// SPDX-License-Identifier: MIT
//! Notifiers: closures that are told what happens to IDs.

use crate::{
    error::{check, Error},
    mode::Mode,
    node::{abort_on_panic, Node},
    set::Set,
    space::raw_set,
    Handle, Id, Space,
};
use alloc::boxed::Box;
use core::{
    fmt,
    marker::PhantomData,
    ptr::{null, NonNull},
};
use ioasid_sys as sys;

/// What happened to an ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It was handed out.
    Alloc,
    /// Its life has ended; it is not handed out again before the notifiers have
    /// returned.
    Free,
    /// Somebody began to use it: [`Space::bind`].
    Bind,
    /// Somebody ceased to: [`Space::unbind`].
    Unbind,
}

/// What a notifier is told.
pub struct Notice<'n, T: 'static> {
    raw: &'n sys::ioasid_notice,
    _value: PhantomData<fn() -> T>,
}

impl<T: 'static> Notice<'_, T> {
    /// What happened.
    pub fn event(&self) -> Event {
        match self.raw.event {
            sys::IOASID_EVENT_ALLOC => Event::Alloc,
            sys::IOASID_EVENT_FREE => Event::Free,
            sys::IOASID_EVENT_BIND => Event::Bind,
            _ => Event::Unbind,
        }
    }

    /// The ID.
    pub fn id(&self) -> Id {
        self.raw.handle as Id
    }

    /// The ID and its generation.
    pub fn handle(&self) -> Handle {
        match Handle::from_bits(self.raw.handle) {
            Some(handle) => handle,
            None => unreachable!("0 is never a handle"),
        }
    }

    /// Its name in its set as of now; of a free the last.
    pub fn spid(&self) -> Option<Id> {
        Some(self.raw.spid).filter(|&spid| spid != sys::INVALID_IOASID)
    }

    /// The number of [`Space::bind`] or [`Space::unbind`].
    pub fn arg(&self) -> usize {
        self.raw.arg as usize
    }

    /// Calls a function with the ID's value as of now, inside a read section.
    ///
    /// Context: any but a wait. Errors: [`Error::NotFound`] its life has ended,
    /// as it has for [`Event::Free`]. Complexity: a lookup, and `func`.
    pub fn with<R>(&self, func: impl FnOnce(&T) -> R) -> Result<R, Error> {
        struct Section(*mut sys::ioasid_rcu);
        impl Drop for Section {
            fn drop(&mut self) {
                // SAFETY: begun below, on this thread.
                unsafe { sys::ioasid_rcu_read_unlock(self.0) };
            }
        }
        let raw = self.raw.space;
        // SAFETY: the space that tells this is there while it does.
        let section = Section(unsafe { sys::ioasid_space_rcu(raw) });
        // SAFETY: as above; left by the drop of `section`, which nobody can
        // forget.
        unsafe { sys::ioasid_rcu_read_lock(section.0) };
        // SAFETY: inside the section.
        let data =
            unsafe { sys::ioasid_rs_find_handle(raw, null(), self.raw.handle) };
        if data as usize > usize::MAX - sys::IOASID_ERRNO_MAX || data.is_null()
        {
            return Err(Error::NotFound);
        }
        // SAFETY: a node of a space of values T, as is every one that a
        // notifier of such a space is told of, found in the section, which
        // ends after the call.
        Ok(func(unsafe { Node::value(data.cast()) }))
    }
}

impl<T: 'static> fmt::Debug for Notice<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notice")
            .field("event", &self.event())
            .field("id", &self.id())
            .finish()
    }
}

/// First what C knows: a pointer to one is a pointer to the other.
#[repr(C)]
struct Told<F> {
    raw: sys::ioasid_notifier,
    func: F,
}

unsafe extern "C" fn notify<T: 'static, F: Fn(&Notice<'_, T>)>(
    notifier: *mut sys::ioasid_notifier,
    notice: *const sys::ioasid_notice,
) {
    // SAFETY: of a `Told<F>`, which lasts until `release`. C writes to its
    // first member alone, maybe now: so no reference to the whole of it.
    let func =
        unsafe { &*core::ptr::addr_of!((*notifier.cast::<Told<F>>()).func) };
    // SAFETY: C's, for the call.
    let notice = Notice { raw: unsafe { &*notice }, _value: PhantomData };
    abort_on_panic(|| func(&notice));
}

unsafe extern "C" fn release<F>(notifier: *mut sys::ioasid_notifier) {
    // SAFETY: made by `Box::into_raw`; C calls this once, when no call of
    // `notify` runs or will.
    let told = unsafe { Box::from_raw(notifier.cast::<Told<F>>()) };
    abort_on_panic(|| drop(told));
}

/// A closure that is told, until this is dropped: from [`Space::notifier`].
///
/// Calls that are running then are not waited for; the closure is dropped after
/// the last. Forgotten, it is told until its space, or set, ends.
pub struct Notifier<'a, T: 'static, M: Mode<T> = crate::Shared> {
    space: &'a Space<T, M>,
    raw: NonNull<sys::ioasid_notifier>,
}

// SAFETY: it may be unregistered by any thread; the closure is Send.
#[cfg(feature = "std")]
unsafe impl<T: Send + Sync> Send for Notifier<'_, T> {}
// SAFETY: by reference it does nothing.
#[cfg(feature = "std")]
unsafe impl<T: Send + Sync> Sync for Notifier<'_, T> {}

impl<T: 'static, M: Mode<T>> Space<T, M> {
    /// Has a closure told what happens to the IDs of the space.
    ///
    /// The higher priority is told first. It is told before the call that is the
    /// cause returns, on its thread, unless that call was made by a notifier, or
    /// another thread is just telling of the same ID. It may call anything that
    /// the call it is told of may; if it panics, the process aborts.
    ///
    /// Any thread may call it, so it is [`Send`] and [`Sync`]:
    ///
    /// ```compile_fail,E0277
    /// let space = ioasid::Space::<u8>::new().unwrap();
    /// let told = std::rc::Rc::new(5);
    /// space.notifier(0, move |_| println!("{}", told)).unwrap();
    /// ```
    ///
    /// Context: takes the space's lock; may be called inside a guard. Errors:
    /// [`Error::NoMemory`]. Complexity: the notifiers registered.
    pub fn notifier<F>(
        &self,
        priority: i32,
        func: F,
    ) -> Result<Notifier<'_, T, M>, Error>
    where
        F: Fn(&Notice<'_, T>) + 'static,
        M: Mode<F>,
    {
        self.notifier_any(None, priority, func)
    }

    /// [`notifier`](Self::notifier) for the IDs of a set.
    ///
    /// Errors: also [`Error::CrossSpace`] the set is another space's.
    pub fn notifier_in<'a, F>(
        &'a self,
        set: &'a Set<'_, T, M>,
        priority: i32,
        func: F,
    ) -> Result<Notifier<'a, T, M>, Error>
    where
        F: Fn(&Notice<'_, T>) + 'static,
        M: Mode<F>,
    {
        self.notifier_any(Some(set), priority, func)
    }

    fn notifier_any<F>(
        &self,
        set: Option<&Set<'_, T, M>>,
        priority: i32,
        func: F,
    ) -> Result<Notifier<'_, T, M>, Error>
    where
        F: Fn(&Notice<'_, T>) + 'static,
        M: Mode<F>,
    {
        let told = Box::into_raw(Box::new(Told {
            raw: sys::ioasid_notifier {
                notify: Some(notify::<T, F>),
                release: Some(release::<F>),
                priority,
                ..Default::default()
            },
            func,
        }));
        let raw: *mut sys::ioasid_notifier = told.cast();
        // SAFETY: space and set live for the call; the notifier until its
        // release, as nothing else frees it. The closure is 'static, so that
        // it may be told if what is returned is forgotten.
        let ret = unsafe {
            let set = raw_set(set);
            sys::ioasid_space_register_notifier(self.core.raw, set, raw)
        };
        if let Err(error) = check(ret) {
            // SAFETY: not taken.
            drop(unsafe { Box::from_raw(told) });
            return Err(error);
        }
        // SAFETY: of a box.
        let raw = unsafe { NonNull::new_unchecked(raw) };
        Ok(Notifier { space: self, raw })
    }

    /// Tells notifiers that somebody begins to use an ID.
    ///
    /// Context: takes the space's lock; calls notifiers. Errors:
    /// [`Error::NotFound`]; [`Error::NoMemory`] where the event has to wait its
    /// turn. Complexity: the notifiers registered.
    pub fn bind(&self, id: Id, arg: usize) -> Result<(), Error> {
        self.tell(id, sys::IOASID_EVENT_BIND, arg)
    }

    /// Tells notifiers that somebody ceases to use an ID, as
    /// [`bind`](Self::bind).
    pub fn unbind(&self, id: Id, arg: usize) -> Result<(), Error> {
        self.tell(id, sys::IOASID_EVENT_UNBIND, arg)
    }

    fn tell(&self, id: Id, event: i32, arg: usize) -> Result<(), Error> {
        // SAFETY: the space lives for the call; the number is only told.
        check(unsafe {
            sys::ioasid_space_notify(self.core.raw, id, event, arg as *mut _)
        })
        .map(drop)
    }
}

impl<T: 'static, M: Mode<T>> Drop for Notifier<'_, T, M> {
    fn drop(&mut self) {
        // SAFETY: registered, and not released: only this drop, or the end of
        // its set, which is borrowed, does that. C calls `release`.
        unsafe {
            let (space, raw) = (self.space.core.raw, self.raw.as_ptr());
            sys::ioasid_space_unregister_notifier(space, raw)
        };
    }
}

impl<T: 'static, M: Mode<T>> fmt::Debug for Notifier<'_, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}
