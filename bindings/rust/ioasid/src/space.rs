// SPDX-License-Identifier: MIT
//! Spaces: who owns the values, and every way in and out.

use crate::{
    error::{check, giving_back, AllocError, Error, SetDataError},
    guard::Guard,
    mode::{Mode, Shared},
    node::{Head, Node},
    refs::{OwnedId, Ref, Reserved, Retired},
    set::Set,
    Handle, Id,
};
use alloc::{string::String, vec::Vec};
use core::{
    ffi::c_void,
    fmt,
    marker::PhantomData,
    ops::{Bound, RangeBounds},
    ptr::{null_mut, NonNull},
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};
use ioasid_sys as sys;

/// How IDs map to values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Store {
    /// A tree over any range; small for clustered IDs.
    Radix,
    /// One flat array for a bounded range of at most 2^26 IDs.
    Bitmap,
    /// For IDs scattered over a wide range.
    Hash,
}

/// Which vacant ID is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reuse {
    /// The lowest of the range asked for.
    Lowest,
    /// The next after the last one, so that what was freed is used again late.
    Cyclic,
}

/// What a space is to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    range: (Id, Id),
    store: Store,
    reuse: Reuse,
    quarantine: bool,
    capacity: u32,
    hash_seed: u64,
    huge_pages: bool,
    name: String,
    #[cfg(feature = "std")]
    domain: Option<crate::Domain>,
}

impl Builder {
    /// All defaults.
    pub fn new() -> Self {
        Builder {
            range: (0, Id::MAX),
            store: Store::Radix,
            reuse: Reuse::Lowest,
            quarantine: false,
            capacity: 0,
            hash_seed: 0,
            huge_pages: false,
            name: String::new(),
            #[cfg(feature = "std")]
            domain: None,
        }
    }

    /// The IDs of the space; without it all from 0 to `u32::MAX - 1`. There is
    /// no space of the ID 0 alone, which the library takes for all.
    pub fn range(mut self, range: impl RangeBounds<Id>) -> Self {
        self.range = bounds(range);
        self
    }

    /// Its store; without it [`Store::Radix`].
    pub fn store(mut self, store: Store) -> Self {
        self.store = store;
        self
    }

    /// Which vacant ID is handed out; without it [`Reuse::Lowest`].
    pub fn reuse(mut self, reuse: Reuse) -> Self {
        self.reuse = reuse;
        self
    }

    /// Hand no ID out again before every guard is gone that was open when it
    /// became vacant.
    pub fn quarantine(mut self, yes: bool) -> Self {
        self.quarantine = yes;
        self
    }

    /// IDs that may be in use or set aside at a time; 0: all there are.
    pub fn capacity(mut self, ids: u32) -> Self {
        self.capacity = ids;
        self
    }

    /// Where [`Store::Hash`] puts IDs; 0: a random one, so that who chooses the
    /// IDs cannot make them collide.
    pub fn hash_seed(mut self, seed: u64) -> Self {
        self.hash_seed = seed;
        self
    }

    /// Offer large arrays to the system for huge pages.
    pub fn huge_pages(mut self, yes: bool) -> Self {
        self.huge_pages = yes;
        self
    }

    /// A name for [`Space::dump`], of at most 31 bytes without NUL.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Share a domain, in place of one of the space's own.
    #[cfg(feature = "std")]
    pub fn domain(mut self, domain: &crate::Domain) -> Self {
        self.domain = Some(domain.clone());
        self
    }

    /// Makes a space for any thread.
    ///
    /// Context: takes locks; ends what was put aside, as
    /// [`reclaim`](crate::reclaim). Errors: [`Error::Invalid`] an empty range, one of
    /// the ID 0 alone, or a NUL in the name; [`Error::TooBig`] more IDs than the
    /// bitmap store has; [`Error::NameTooLong`]; [`Error::NoMemory`]. Complexity:
    /// constant.
    #[cfg(feature = "std")]
    pub fn build<T: Send + Sync + 'static>(&self) -> Result<Space<T>, Error> {
        crate::domain::reclaim_if_any();
        self.make(self.domain.clone())
    }

    /// Makes a space for this thread: as [`build`](Self::build) otherwise, but
    /// that it has a domain of its own in any case.
    pub fn build_local<T: 'static>(&self) -> Result<LocalSpace<T>, Error> {
        self.make(None)
    }

    fn make<T: 'static, M: Mode<T>>(
        &self,
        domain: SharedDomain,
    ) -> Result<Space<T, M>, Error> {
        let (min, max) = self.range;
        if max == 0 {
            return Err(Error::Invalid);
        }
        let name = c_name(&self.name)?;
        let config = sys::ioasid_space_config {
            min,
            max,
            store: match self.store {
                Store::Radix => sys::IOASID_STORE_RADIX,
                Store::Bitmap => sys::IOASID_STORE_BITMAP,
                Store::Hash => sys::IOASID_STORE_HASH,
            },
            reuse: match self.reuse {
                Reuse::Lowest => sys::IOASID_REUSE_LOWEST,
                Reuse::Cyclic => sys::IOASID_REUSE_CYCLIC,
            },
            rcu: domain_raw(&domain),
            flavour: M::FLAVOUR,
            memory: sys::ioasid_memory {
                huge_pages: self.huge_pages,
                ..Default::default()
            },
            hash_seed: self.hash_seed,
            quarantine: self.quarantine,
            capacity: self.capacity,
            name: name.as_ptr().cast(),
            ..Default::default()
        };
        let mut raw = null_mut();
        // SAFETY: the configuration, its name and `raw` are valid for the
        // call; the domain lives as long as the space, which has it.
        check(unsafe { sys::ioasid_space_create(&config, &mut raw) })?;
        // SAFETY: just made.
        let rcu = unsafe { sys::ioasid_space_rcu(raw) };
        Ok(Space {
            core: Core {
                raw,
                rcu,
                parked: AtomicPtr::new(null_mut()),
                ending: null_mut(),
                open: AtomicUsize::new(0),
                _domain: domain,
            },
            _values: PhantomData,
            _invariant: PhantomData,
        })
    }
}

#[cfg(feature = "std")]
type SharedDomain = Option<crate::Domain>;
#[cfg(feature = "std")]
fn domain_raw(domain: &SharedDomain) -> *mut sys::ioasid_rcu {
    domain.as_ref().map_or(null_mut(), |domain| domain.raw())
}
#[cfg(not(feature = "std"))]
type SharedDomain = Option<core::convert::Infallible>;
#[cfg(not(feature = "std"))]
fn domain_raw(_domain: &SharedDomain) -> *mut sys::ioasid_rcu {
    null_mut()
}

/// The lowest and the highest ID of a range; of an empty one they are the other
/// way around, which the library refuses.
pub(crate) fn bounds(range: impl RangeBounds<Id>) -> (Id, Id) {
    let min = match range.start_bound() {
        Bound::Unbounded => Some(0),
        Bound::Included(&id) => Some(id),
        Bound::Excluded(&id) => id.checked_add(1),
    };
    let max = match range.end_bound() {
        Bound::Unbounded => Some(Id::MAX),
        Bound::Included(&id) => Some(id),
        Bound::Excluded(&id) => id.checked_sub(1),
    };
    min.zip(max).unwrap_or((1, 0))
}

/// A name as C has it.
pub(crate) fn c_name(name: &str) -> Result<Vec<u8>, Error> {
    if name.bytes().any(|byte| byte == 0) {
        return Err(Error::Invalid);
    }
    let mut bytes = Vec::from(name);
    bytes.push(0);
    Ok(bytes)
}

/// What there is of a space without the type of its values.
pub(crate) struct Core {
    pub(crate) raw: *mut sys::ioasid_space,
    pub(crate) rcu: *mut sys::ioasid_rcu,
    /// Nodes without counts that the domain would not take yet.
    parked: AtomicPtr<Head>,
    /// Once the space is dropped: the nodes that were in it.
    ending: *mut Head,
    /// Guards of a space of one thread: see `reader`.
    pub(crate) open: AtomicUsize,
    _domain: SharedDomain,
}

impl Core {
    /// Has a node without counts dropped a grace period from now.
    ///
    /// # Safety
    /// `head` is that of a `Node<T>` without counts, the caller's, and
    /// `func` its `drop_head`.
    pub(crate) unsafe fn retire(
        &self,
        head: *mut Head,
        func: unsafe extern "C" fn(*mut Head),
    ) {
        self.unpark();
        // SAFETY: by contract; the head is the domain's from here on, if it
        // takes it.
        if unsafe { sys::ioasid_rcu_defer(self.rcu, head, Some(func)) } != 0 {
            // SAFETY: it is still ours.
            unsafe { (*head).func = Some(func) };
            self.park(head, head);
        }
    }

    /// Adds a list of heads, linked by `next`, to those that wait.
    fn park(&self, first: *mut Head, last: *mut Head) {
        let add = |parked| {
            // SAFETY: the list is the caller's until it is in.
            unsafe { (*last).next = parked };
            Some(first)
        };
        // Release: who takes the list sees the links.
        let _ =
            self.parked.fetch_update(Ordering::Release, Ordering::Relaxed, add);
    }

    /// Hands those that wait to the domain, as many as it takes.
    pub(crate) fn unpark(&self) {
        if self.parked.load(Ordering::Relaxed).is_null() {
            return;
        }
        let mut head = self.parked.swap(null_mut(), Ordering::Acquire);
        while !head.is_null() {
            // SAFETY: taken from the list, so that it is ours; parked with
            // its function.
            let (next, func) = unsafe { ((*head).next, (*head).func) };
            // SAFETY: as in `retire`.
            if unsafe { sys::ioasid_rcu_defer(self.rcu, head, func) } != 0 {
                // SAFETY: still ours, and defer may have written to it.
                unsafe {
                    (*head).next = next;
                    (*head).func = func;
                }
                let mut last = head;
                // SAFETY: so are those after it.
                while let Some(next) = NonNull::new(unsafe { (*last).next }) {
                    last = next.as_ptr();
                }
                return self.park(head, last);
            }
            head = next;
        }
    }

    /// Ends the space and drops all values; on error all is as before.
    pub(crate) fn destroy(&mut self) -> Result<(), Error> {
        self.unpark();
        // SAFETY: the space, and with it the domain, is there.
        check(unsafe { sys::ioasid_rcu_barrier(self.rcu) })?;
        // SAFETY: nobody else has the space any more: it is being dropped, or
        // was put aside when it was.
        check(unsafe { sys::ioasid_space_destroy(self.raw) })?;
        // A grace period has passed: no reader holds what was in the space, or
        // what was parked.
        for mut head in [self.ending, *self.parked.get_mut()] {
            while !head.is_null() {
                // SAFETY: ours alone, linked by `drop` or `park`.
                let (next, func) = unsafe { ((*head).next, (*head).func) };
                if let Some(func) = func {
                    // SAFETY: the function that was put there for it.
                    unsafe { func(head) };
                }
                head = next;
            }
        }
        Ok(())
    }
}

/// A space of IDs, each with a value that the space owns.
///
/// A value goes in with [`alloc`](Self::alloc), is read through a
/// [`Guard`](Self::read) or a [`Ref`](Self::get), and is dropped once its ID is
/// freed, every `Ref` to it is gone, and every guard that was open by then: a
/// grace period later, by whatever thread runs what is due. A `drop` of a value
/// that panics aborts the process.
///
/// Dropping a space waits for a grace period and drops all its values. Where it
/// may not wait, inside a guard of its domain or in a `drop` of a value that the
/// library calls, it is put aside: [`reclaim`](crate::reclaim). A
/// [`LocalSpace`] is then leaked, with its values.
///
/// A value may be dropped after its space, so it borrows nothing:
///
/// ```compile_fail,E0597
/// let space = ioasid::Space::<&u32>::new().unwrap();
/// let local = 5;
/// space.alloc(.., &local).unwrap();
/// ```
///
/// nor are values of one type taken for those of another:
///
/// ```compile_fail,E0308
/// let space = ioasid::Space::<for<'a> fn(&'a str)>::new().unwrap();
/// let other: &ioasid::Space<fn(&'static str)> = &space;
/// ```
///
/// The values' `drop` may call anything. In a child of `fork()` (which Rust
/// calls unsafe) guards of other threads are over: what their references were
/// given to must not be used there.
pub struct Space<T: 'static, M: Mode<T> = Shared> {
    pub(crate) core: Core,
    _values: PhantomData<(T, M)>,
    /// Values go in and come out: one type of them is not taken for another,
    /// whichever of the two is the more general.
    _invariant: PhantomData<fn(T) -> T>,
}

/// A space for one thread, whose values need not be [`Send`] or [`Sync`].
pub type LocalSpace<T> = Space<T, crate::Local>;

// SAFETY: the library's calls may be made by any thread; T is Send, as values
// are dropped on any. In this mode the domain is epoch's.
#[cfg(feature = "std")]
unsafe impl<T: Send + Sync + 'static> Send for Space<T, Shared> {}
// SAFETY: as above; T is Sync, as threads share references to values.
#[cfg(feature = "std")]
unsafe impl<T: Send + Sync + 'static> Sync for Space<T, Shared> {}

#[cfg(feature = "std")]
impl<T: Send + Sync + 'static> Space<T> {
    /// A space of all defaults: any ID, radix store, lowest first.
    ///
    /// Context, complexity: as [`Builder::build`]. Errors: [`Error::NoMemory`].
    pub fn new() -> Result<Self, Error> {
        Builder::new().build()
    }
}

impl<T: 'static> LocalSpace<T> {
    /// A space of all defaults, for this thread.
    ///
    /// Context: takes locks. Errors: [`Error::NoMemory`]. Complexity: constant.
    pub fn new_local() -> Result<Self, Error> {
        Builder::new().build_local()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// The pointer of a set, or NULL.
pub(crate) fn raw_set<T: 'static, M: Mode<T>>(
    set: Option<&Set<'_, T, M>>,
) -> *mut sys::ioasid_set {
    set.map_or(null_mut(), |set| set.raw.as_ptr())
}

impl<T: 'static, M: Mode<T>> Space<T, M> {
    /// The library's space, for `ioasid-sys`.
    ///
    /// Private pointers are this crate's: calls that store others are not to be
    /// made, nor those that end what is typed here.
    pub fn as_raw(&self) -> *mut sys::ioasid_space {
        self.core.raw
    }

    // How values go in.

    /// Hands out a vacant ID of a range for a value.
    ///
    /// Context: takes the space's lock; may be called inside a guard; calls
    /// notifiers. Errors, with the value given back: [`Error::Invalid`] an empty
    /// range; [`Error::NoSpace`] no vacant ID or no capacity left;
    /// [`Error::Again`] none but such as wait for a grace period;
    /// [`Error::NoMemory`]. Complexity: a step a level of the store.
    pub fn alloc(
        &self,
        range: impl RangeBounds<Id>,
        value: T,
    ) -> Result<Id, AllocError<T>> {
        self.alloc_any(None, range, value)
    }

    /// [`alloc`](Self::alloc) for a set.
    ///
    /// Errors: also [`Error::Quota`] the set's is used up; [`Error::CrossSpace`]
    /// the set is another space's.
    pub fn alloc_in(
        &self,
        set: &Set<'_, T, M>,
        range: impl RangeBounds<Id>,
        value: T,
    ) -> Result<Id, AllocError<T>> {
        self.alloc_any(Some(set), range, value)
    }

    fn alloc_any(
        &self,
        set: Option<&Set<'_, T, M>>,
        range: impl RangeBounds<Id>,
        value: T,
    ) -> Result<Id, AllocError<T>> {
        let mut id = 0;
        self.insert(range, value, |min, max, data| {
            // SAFETY: the space and the set live for the call, `id` too; the
            // space owns the node if the call succeeds.
            unsafe {
                let set = raw_set(set);
                sys::ioasid_space_alloc(
                    self.core.raw,
                    set,
                    min,
                    max,
                    data,
                    &mut id,
                )
            }
        })
        .map(|_| id)
    }

    /// Hands out the lowest vacant ID from a cursor on, else of the range.
    ///
    /// `next` is where to begin, and the ID after the one handed out
    /// afterwards. It returns the ID, and whether the search went around.
    /// Context, errors and complexity: as for [`alloc`](Self::alloc).
    pub fn alloc_cyclic(
        &self,
        next: &mut Id,
        range: impl RangeBounds<Id>,
        value: T,
    ) -> Result<(Id, bool), AllocError<T>> {
        self.alloc_cyclic_any(None, next, range, value)
    }

    /// [`alloc_cyclic`](Self::alloc_cyclic) for a set; errors as for
    /// [`alloc_in`](Self::alloc_in).
    pub fn alloc_cyclic_in(
        &self,
        set: &Set<'_, T, M>,
        next: &mut Id,
        range: impl RangeBounds<Id>,
        value: T,
    ) -> Result<(Id, bool), AllocError<T>> {
        self.alloc_cyclic_any(Some(set), next, range, value)
    }

    fn alloc_cyclic_any(
        &self,
        set: Option<&Set<'_, T, M>>,
        next: &mut Id,
        range: impl RangeBounds<Id>,
        value: T,
    ) -> Result<(Id, bool), AllocError<T>> {
        let mut id = 0;
        self.insert(range, value, |min, max, data| {
            // SAFETY: as in `alloc_any`; the cursor is nobody else's for the
            // call.
            unsafe {
                sys::ioasid_space_alloc_cyclic(
                    self.core.raw,
                    raw_set(set),
                    min,
                    max,
                    data,
                    next,
                    &mut id,
                )
            }
        })
        .map(|ret| (id, ret == 1))
    }

    /// Makes a node of a value and lets C have it.
    fn insert(
        &self,
        range: impl RangeBounds<Id>,
        value: T,
        call: impl FnOnce(Id, Id, *mut c_void) -> sys::c_int,
    ) -> Result<sys::c_int, AllocError<T>> {
        let (min, max) = bounds(range);
        let node = Node::new(value);
        check(call(min, max, Node::as_data(node))).map_err(|error| {
            // SAFETY: new, and not taken: nobody else has seen it.
            let given = unsafe { Node::into_value(node) };
            AllocError { error, given }
        })
    }

    /// Hands out an ID that is freed when what is returned is dropped. If
    /// another thread frees it, or replaces its value, before this returns, it is
    /// not owned any more.
    ///
    /// Context, errors and complexity: as for [`alloc`](Self::alloc).
    pub fn alloc_owned(
        &self,
        range: impl RangeBounds<Id>,
        value: T,
    ) -> Result<OwnedId<'_, T, M>, AllocError<T>> {
        let (min, max) = bounds(range);
        let node = Node::new(value);
        let data = Node::as_data(node);
        let mut id = 0;
        // SAFETY: the node is new. Its second count, ours, keeps its address
        // from another value until the handle is known.
        let _ = unsafe { Node::try_own(node) };
        // SAFETY: as in `alloc_any`.
        let ret = unsafe {
            let raw = self.core.raw;
            sys::ioasid_space_alloc(raw, null_mut(), min, max, data, &mut id)
        };
        if let Err(error) = check(ret) {
            // SAFETY: not taken: both counts are ours, and end here.
            let given = unsafe {
                Node::disown(node);
                Node::into_value(node)
            };
            return Err(AllocError { error, given });
        }
        let guard = self.read();
        let ours = |handle: &Handle| match guard.find_handle(*handle) {
            // SAFETY: our count keeps the node.
            Ok(found) => {
                core::ptr::eq(found, unsafe { Node::value(node.as_ptr()) })
            }
            Err(_) => false,
        };
        let handle = self.handle(id).ok().filter(ours);
        drop(guard);
        // SAFETY: our count, which ends here.
        unsafe { self.release(node) };
        Ok(OwnedId { space: self, id, handle })
    }

    /// Takes an ID that nobody finds yet, for what has to know it beforehand.
    ///
    /// It counts against quota and capacity. Dropping it gives it back.
    /// Context, errors and complexity: as for [`alloc`](Self::alloc).
    pub fn reserve_id(
        &self,
        range: impl RangeBounds<Id>,
    ) -> Result<Reserved<'_, T, M>, Error> {
        self.reserve_any(None, range)
    }

    /// [`reserve_id`](Self::reserve_id) for a set; errors as for
    /// [`alloc_in`](Self::alloc_in).
    pub fn reserve_id_in(
        &self,
        set: &Set<'_, T, M>,
        range: impl RangeBounds<Id>,
    ) -> Result<Reserved<'_, T, M>, Error> {
        self.reserve_any(Some(set), range)
    }

    fn reserve_any(
        &self,
        set: Option<&Set<'_, T, M>>,
        range: impl RangeBounds<Id>,
    ) -> Result<Reserved<'_, T, M>, Error> {
        let (min, max) = bounds(range);
        let mut id = 0;
        // SAFETY: space, set and `id` live for the call.
        check(unsafe {
            let set = raw_set(set);
            sys::ioasid_space_reserve_id(self.core.raw, set, min, max, &mut id)
        })?;
        Ok(Reserved { space: self, id })
    }

    // How they go out.

    /// Drops the space's count of a node, or that of who took it out.
    ///
    /// # Safety
    /// The caller owns a count of a node of this space, which ends here.
    pub(crate) unsafe fn release(&self, node: NonNull<Node<T>>) {
        // SAFETY: by contract.
        if unsafe { Node::disown(node) } {
            // SAFETY: it was the last; the function is that of this type.
            unsafe { self.core.retire(Node::head(node), Node::<T>::drop_head) };
        }
    }

    /// Ends the life of an ID: it is found no more, and vacant once every
    /// [`Ref`] is gone. Its value is dropped as the type says.
    ///
    /// Context: takes the space's lock; may be called inside a guard; calls
    /// notifiers, and drops values that are due, outside of guards. Errors:
    /// [`Error::NotFound`]; [`Error::Busy`] freed before, references remain.
    /// Complexity: as a lookup, and what is dropped.
    pub fn free(&self, id: Id) -> Result<(), Error> {
        self.remove(id).map(drop)
    }

    /// Ends one use of an ID: a handle kept for too long frees nobody else's.
    ///
    /// Context, complexity: as [`free`](Self::free). Errors: also
    /// [`Error::Stale`] the ID was handed out again; [`Error::Overflow`] it has
    /// as many references as it may have.
    pub fn free_handle(&self, handle: Handle) -> Result<(), Error> {
        self.remove_handle(handle).map(drop)
    }

    /// Ends the life of an ID and gives its value: see [`Retired`].
    ///
    /// Context, errors, complexity: as for [`free`](Self::free).
    pub fn remove(&self, id: Id) -> Result<Retired<'_, T, M>, Error> {
        self.remove_any(null_mut(), id)
    }

    /// [`remove`](Self::remove) if the ID is a set's.
    ///
    /// Errors: also [`Error::Access`] another set's.
    pub fn remove_in(
        &self,
        set: &Set<'_, T, M>,
        id: Id,
    ) -> Result<Retired<'_, T, M>, Error> {
        self.remove_any(set.raw.as_ptr(), id)
    }

    pub(crate) fn remove_any(
        &self,
        set: *mut sys::ioasid_set,
        id: Id,
    ) -> Result<Retired<'_, T, M>, Error> {
        let mut data = null_mut();
        // SAFETY: space, set and `data` live for the call.
        check(unsafe {
            sys::ioasid_space_remove(self.core.raw, set, id, &mut data)
        })?;
        // The space's count of the node is now the caller's: of all that
        // remove at once one gets the pointer.
        let node = Node::from_data(data).ok_or(Error::NotFound)?;
        Ok(Retired { space: self, node })
    }

    /// [`remove`](Self::remove) of one use of an ID; errors as for
    /// [`free_handle`](Self::free_handle).
    pub fn remove_handle(
        &self,
        handle: Handle,
    ) -> Result<Retired<'_, T, M>, Error> {
        let raw = self.core.raw;
        // A reference keeps the use: whoever frees it, the ID is not handed
        // out again before the put below.
        // SAFETY: the space lives for the call.
        let got = check(unsafe {
            sys::ioasid_space_get_handle(raw, null_mut(), handle.to_bits())
        });
        match got {
            Err(Error::Overflow) => return Err(Error::Overflow),
            Err(error) => {
                // It has ended, or never was: the library counts that. Only of
                // an ID that is being published, by a handle that was made up,
                // could this end the life, and its value would leak.
                // SAFETY: as above.
                unsafe { sys::ioasid_space_free_handle(raw, handle.to_bits()) };
                return Err(error);
            }
            Ok(_) => {}
        }
        let removed = self.remove(handle.id());
        // SAFETY: as above; the reference is ours.
        unsafe { sys::ioasid_space_put(raw, handle.id()) };
        removed
    }

    /// Frees all IDs, each as by [`free`](Self::free), and returns how many.
    /// Reserved ones stay; beside other threads that allocate it frees what it
    /// meets.
    ///
    /// Context: as [`free`](Self::free). Complexity: a free of each.
    pub fn free_all(&self) -> u32 {
        self.free_all_of(null_mut())
    }

    pub(crate) fn free_all_of(&self, set: *mut sys::ioasid_set) -> u32 {
        let (mut from, mut count) = (0, 0);
        while let Some((id, _)) = self.next(set, from, Id::MAX) {
            count += u32::from(self.remove_any(set, id).is_ok());
            from = id + 1;
        }
        count
    }

    /// The lowest live ID of a range and its private pointer.
    pub(crate) fn next(
        &self,
        set: *const sys::ioasid_set,
        min: Id,
        max: Id,
    ) -> Option<(Id, *mut c_void)> {
        let (mut id, mut data) = (0, null_mut());
        // SAFETY: space, set and both results live for the call.
        let ret = unsafe {
            let raw = self.core.raw;
            sys::ioasid_space_next(raw, set, min, max, &mut id, &mut data)
        };
        // IDs end below u32::MAX, so that one more is a number.
        if ret == 0 {
            Some((id, data))
        } else {
            None
        }
    }

    /// Replaces the value of an ID, without waiting, and gives the one before.
    ///
    /// Context: takes the space's lock; may be called inside a guard. Errors,
    /// with the value given back: [`Error::NotFound`]. Complexity: as a lookup.
    pub fn exchange(
        &self,
        id: Id,
        value: T,
    ) -> Result<Retired<'_, T, M>, AllocError<T>> {
        let node = Node::new(value);
        let mut old = null_mut();
        // SAFETY: space and `old` live for the call; the space owns the new
        // node if it succeeds, and its count of the old one is then ours.
        let ret = unsafe {
            let data = Node::as_data(node);
            sys::ioasid_space_exchange_data(self.core.raw, id, data, &mut old)
        };
        match (check(ret), Node::from_data(old)) {
            (Ok(_), Some(node)) => Ok(Retired { space: self, node }),
            (Ok(_), None) => unreachable!("values are never NULL"),
            (Err(error), _) => {
                // SAFETY: not taken: nobody else has seen it.
                let given = unsafe { Node::into_value(node) };
                Err(AllocError { error, given })
            }
        }
    }

    /// Replaces the value of an ID and waits until no guard may hold the one
    /// before, which is dropped unless a [`Ref`] owns it.
    ///
    /// Context: takes the space's lock, waits. Errors: [`Error::NotFound`]
    /// without waiting; [`Error::Deadlock`] inside a guard, nothing has changed;
    /// [`Error::Io`] the new value is in place. Complexity: a grace period.
    pub fn set_data(&self, id: Id, value: T) -> Result<(), SetDataError<T>> {
        // SAFETY: the domain lives as long as the space.
        if unsafe { sys::ioasid_rcu_read_held(self.core.rcu) } {
            let error = match self.handle(id) {
                Ok(_) => Error::Deadlock,
                Err(error) => error,
            };
            return Err(SetDataError { error, given: Some(value) });
        }
        let old = self.exchange(id, value).map_err(|failed| SetDataError {
            error: failed.error,
            given: Some(failed.given),
        })?;
        old.wait().map_err(|error| SetDataError { error, given: None })
    }

    // How they are read.

    /// Begins a read section: see [`Guard`].
    ///
    /// It panics where 2^31 - 1 guards are open on the thread, or of a
    /// [`LocalSpace`], as they are after that many were forgotten.
    ///
    /// Context: any; wait-free after a thread's first use, which may take locks
    /// and ask for memory. Complexity: constant.
    #[inline]
    pub fn read(&self) -> Guard<'_, T, M> {
        Guard::new(self)
    }

    /// Calls a function with the value of an ID, inside a guard.
    ///
    /// Context, complexity: a lookup, and `func`. Errors: [`Error::NotFound`].
    pub fn with<R>(
        &self,
        id: Id,
        func: impl FnOnce(&T) -> R,
    ) -> Result<R, Error> {
        self.read().find(id).map(func)
    }

    /// Can the ID be found?
    ///
    /// Context, complexity: as a lookup.
    pub fn contains(&self, id: Id) -> bool {
        self.read().get(id).is_some()
    }

    /// The handle of the present use of an ID.
    ///
    /// Context: any. Errors: [`Error::NotFound`]. Complexity: a lookup.
    pub fn handle(&self, id: Id) -> Result<Handle, Error> {
        self.handle_any(null_mut(), id)
    }

    /// [`handle`](Self::handle) if the ID is a set's.
    ///
    /// Errors: also [`Error::Access`] another set's.
    pub fn handle_in(
        &self,
        set: &Set<'_, T, M>,
        id: Id,
    ) -> Result<Handle, Error> {
        self.handle_any(set.raw.as_ptr(), id)
    }

    fn handle_any(
        &self,
        set: *mut sys::ioasid_set,
        id: Id,
    ) -> Result<Handle, Error> {
        let mut handle = 0;
        // SAFETY: space, set and `handle` live for the call.
        check(unsafe {
            sys::ioasid_space_handle(self.core.raw, set, id, &mut handle)
        })?;
        Handle::from_bits(handle).ok_or(Error::NotFound)
    }

    /// Takes a reference to an ID and its value, which may outlive a guard.
    ///
    /// Context: lock-free; may be called inside a guard. Errors:
    /// [`Error::NotFound`]; [`Error::Busy`] freed, references remain;
    /// [`Error::Overflow`] too many references. Complexity: a few lookups.
    pub fn get(&self, id: Id) -> Result<Ref<'_, T, M>, Error> {
        self.get_any(null_mut(), id, None)
    }

    /// [`get`](Self::get) if the ID is a set's.
    ///
    /// Errors: also [`Error::Access`] another set's.
    pub fn get_in(
        &self,
        set: &Set<'_, T, M>,
        id: Id,
    ) -> Result<Ref<'_, T, M>, Error> {
        self.get_any(set.raw.as_ptr(), id, None)
    }

    /// [`get`](Self::get) of one use of an ID.
    ///
    /// Errors: also [`Error::Stale`] the ID was handed out again.
    pub fn get_handle(&self, handle: Handle) -> Result<Ref<'_, T, M>, Error> {
        self.get_any(null_mut(), handle.id(), Some(handle))
    }

    /// [`get_handle`](Self::get_handle) if the ID is a set's.
    ///
    /// Errors: also [`Error::Access`] another set's.
    pub fn get_handle_in(
        &self,
        set: &Set<'_, T, M>,
        handle: Handle,
    ) -> Result<Ref<'_, T, M>, Error> {
        self.get_any(set.raw.as_ptr(), handle.id(), Some(handle))
    }

    fn get_any(
        &self,
        set: *mut sys::ioasid_set,
        id: Id,
        handle: Option<Handle>,
    ) -> Result<Ref<'_, T, M>, Error> {
        let raw = self.core.raw;
        // SAFETY: space and set live for the call. From here on the ID is not
        // handed out again: what is found by it is of this use.
        check(match handle {
            Some(handle) => unsafe {
                sys::ioasid_space_get_handle(raw, set, handle.to_bits())
            },
            None => unsafe { sys::ioasid_space_get(raw, set, id) },
        })?;
        let guard = self.read();
        let owned = loop {
            // SAFETY: inside the guard's section.
            let data = unsafe { sys::ioasid_rs_find_any(raw, id) };
            let node = match Node::from_data(data) {
                Some(node) => node,
                None => break Err(Error::NotFound),
            };
            // SAFETY: found in the section, which is still open.
            match unsafe { Node::try_own(node) } {
                Ok(true) => break Ok(node),
                // It was replaced or removed just now, by a thread that
                // stored the next pointer, or ended the ID, before it let go
                // of the node: the next lookup sees that.
                Ok(false) => core::hint::spin_loop(),
                Err(error) => break Err(error),
            }
        };
        drop(guard);
        match owned {
            Ok(node) => Ok(Ref { space: self, node, id }),
            Err(error) => {
                // SAFETY: the reference from above.
                unsafe { sys::ioasid_space_put(raw, id) };
                Err(error)
            }
        }
    }

    /// Drops a reference that no [`Ref`] has: of an ID that
    /// [`restore`](Self::restore) brought back with more than its own.
    ///
    /// True: it was the last, and the ID is vacant. If that was the ID's own
    /// reference, the ID is freed and its value leaks: [`free`](Self::free) is
    /// the way to end an ID.
    ///
    /// Context: lock-free, but the last as [`free`](Self::free). Errors:
    /// [`Error::NotFound`] no reference to drop. Complexity: a lookup.
    pub fn put_restored(&self, id: Id) -> Result<bool, Error> {
        // SAFETY: the space lives for the call. A reference too few makes the
        // ID vacant early; values are not the references' but their counts'.
        let ret = unsafe { sys::ioasid_space_put(self.core.raw, id) };
        check(ret).map(|ret| ret == 1)
    }

    // Capacity.

    /// Changes how many IDs may be in use or set aside; 0: all there are.
    ///
    /// Context: takes the space's lock; may be called inside a guard. Errors:
    /// [`Error::Busy`] more are already. Complexity: constant.
    pub fn set_capacity(&self, ids: u32) -> Result<(), Error> {
        // SAFETY: the space lives for the call.
        let ret = unsafe { sys::ioasid_space_set_capacity(self.core.raw, ids) };
        check(ret).map(drop)
    }

    /// Sets a part of the capacity aside, for IDs that something else hands
    /// out.
    ///
    /// Context: as [`set_capacity`](Self::set_capacity). Errors:
    /// [`Error::NoSpace`] less is left. Complexity: constant.
    pub fn reserve(&self, ids: u32) -> Result<(), Error> {
        // SAFETY: the space lives for the call.
        check(unsafe { sys::ioasid_space_reserve(self.core.raw, ids) })
            .map(drop)
    }

    /// Takes back what was set aside.
    ///
    /// Context: as [`set_capacity`](Self::set_capacity). Errors:
    /// [`Error::Invalid`] less was. Complexity: constant.
    pub fn unreserve(&self, ids: u32) -> Result<(), Error> {
        // SAFETY: the space lives for the call.
        check(unsafe { sys::ioasid_space_unreserve(self.core.raw, ids) })
            .map(drop)
    }

    // SPIDs: a set's own names for its IDs.

    /// Gives an ID of a set a name, unique in the set, until it is freed.
    ///
    /// Context: takes the space's lock; may be called inside a guard. Errors:
    /// [`Error::NotFound`]; [`Error::Invalid`] no set's, or `u32::MAX`;
    /// [`Error::Exists`] another ID has the name; [`Error::Busy`] the ID has one;
    /// [`Error::Again`], [`Error::NoMemory`]. Complexity: as two allocs.
    pub fn spid_attach(&self, id: Id, spid: Id) -> Result<(), Error> {
        // SAFETY: the space lives for the call.
        check(unsafe { sys::ioasid_spid_attach(self.core.raw, id, spid) })
            .map(drop)
    }

    /// Takes the name of an ID away.
    ///
    /// Context: as [`spid_attach`](Self::spid_attach). Errors:
    /// [`Error::NotFound`] not live, or without one. Complexity: as two frees.
    pub fn spid_detach(&self, id: Id) -> Result<(), Error> {
        // SAFETY: the space lives for the call.
        check(unsafe { sys::ioasid_spid_detach(self.core.raw, id) }).map(drop)
    }

    /// The name of an ID in its set.
    ///
    /// Context: as [`spid_attach`](Self::spid_attach). Errors:
    /// [`Error::NotFound`] not live, or without one. Complexity: as a lookup.
    pub fn spid_of(&self, id: Id) -> Result<Id, Error> {
        let mut spid = 0;
        // SAFETY: the space and `spid` live for the call.
        check(unsafe { sys::ioasid_spid_of(self.core.raw, id, &mut spid) })?;
        Ok(spid)
    }

    // The whole of it.

    /// Waits until no guard is open that was when the call began.
    ///
    /// Context: waits. Errors: [`Error::Deadlock`] inside a guard, at once;
    /// [`Error::Io`]. Complexity: the threads registered.
    pub fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: the domain lives as long as the space.
        check(unsafe { sys::ioasid_rcu_synchronize(self.core.rcu) }).map(drop)
    }

    /// Waits until all values that were freed before are dropped, but for those
    /// that a [`Ref`] or [`Retired`] owns.
    ///
    /// Context: waits, drops values. Errors: as
    /// [`synchronize`](Self::synchronize); [`Error::Deadlock`] also in a `drop`
    /// that the library calls. Complexity: the values that wait.
    pub fn barrier(&self) -> Result<(), Error> {
        self.core.unpark();
        // SAFETY: the domain lives as long as the space.
        check(unsafe { sys::ioasid_rcu_barrier(self.core.rcu) }).map(drop)
    }

    /// Gives back memory that no ID in use needs: how many bytes.
    ///
    /// Context: takes the space's lock, for long; may be called inside a guard.
    /// Complexity: bitmap the range; hash the table; radix constant.
    pub fn trim(&self) -> usize {
        // SAFETY: the space lives for the call.
        unsafe { sys::ioasid_space_trim(self.core.raw) }
    }

    /// Counts, of one moment.
    ///
    /// Context: takes the space's lock; may be called inside a guard.
    /// Complexity: constant.
    pub fn stats(&self) -> Stats {
        let mut raw = sys::ioasid_stats::default();
        // SAFETY: the space and `raw` live for the call.
        unsafe { sys::ioasid_space_stats(self.core.raw, &mut raw) };
        Stats {
            live: raw.live,
            pending: raw.pending,
            unpublished: raw.unpublished,
            quarantined: raw.quarantined,
            sets: raw.sets,
            notifiers: raw.notifiers,
            capacity: raw.capacity,
            committed: raw.committed,
            reserved: raw.reserved,
            allocs: raw.allocs,
            frees: raw.frees,
            alloc_failed: raw.alloc_failed,
            free_unknown: raw.free_unknown,
            memory: raw.memory,
        }
    }

    /// Checks the whole structure; what is wrong with it, in words.
    ///
    /// Context: takes the space's lock, for long. Threads that take or drop
    /// references meanwhile can make it wrong. Complexity: a walk over all IDs.
    pub fn validate(&self) -> Result<(), String> {
        let mut reason = core::ptr::null();
        // SAFETY: the space and `reason` live for the call.
        if unsafe { sys::ioasid_space_validate(self.core.raw, &mut reason) } {
            return Ok(());
        }
        // SAFETY: the library gives a constant string, or NULL.
        Err(unsafe { string(reason) })
    }

    /// Describes the space in words, for people, line by line.
    ///
    /// Context: takes the space's lock in between, and calls `print` without
    /// it, which may call anything that does not wait. A panic of `print` is
    /// passed on (without `std`: aborts). Complexity: all IDs and sets.
    pub fn dump(&self, mut print: impl FnMut(&str)) {
        struct Out<'a>(&'a mut dyn FnMut(&str), crate::shield::Shield);

        unsafe extern "C" fn line(line: *const sys::c_char, arg: *mut c_void) {
            // SAFETY: the `Out` below, which nothing else uses meanwhile.
            let out = unsafe { &mut *arg.cast::<Out<'_>>() };
            // SAFETY: the library gives a string for the call.
            let line = unsafe { string(line) };
            let print = &mut out.0;
            out.1.run((), || print(&line));
        }

        let mut out = Out(&mut print, crate::shield::Shield::new());
        let arg: *mut Out<'_> = &mut out;
        // SAFETY: the space and `out` live for the call, which is the last
        // that uses `arg`.
        unsafe {
            sys::ioasid_space_dump(self.core.raw, Some(line), arg.cast())
        };
        out.1.resume();
    }
}

/// A string of the library's.
///
/// # Safety
/// NULL, or a string that lasts for the call.
pub(crate) unsafe fn string(text: *const sys::c_char) -> String {
    let mut bytes = Vec::new();
    let mut at = text.cast::<u8>();
    // SAFETY: by contract; it ends at the NUL.
    while !at.is_null() && unsafe { *at } != 0 {
        // SAFETY: not the NUL, so there is one more.
        unsafe {
            bytes.push(*at);
            at = at.add(1);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

giving_back! {
    /// The space could not be ended: it is there as before.
    SpaceError<T, M>, Space<T, M>,
    /// The space.
    into_space
}

impl<T: 'static, M: Mode<T>> Space<T, M> {
    /// Ends the space and drops all its values, as dropping it does, but gives
    /// it back where it may not wait.
    ///
    /// Context: waits, drops values. Errors: [`Error::Deadlock`] inside a guard
    /// of its domain, which may be one of another space or one that was
    /// forgotten; with values yet to be dropped inside of any guard; in a `drop`
    /// that the library calls; [`Error::Io`]. Complexity: its IDs and memory.
    pub fn destroy(mut self) -> Result<(), SpaceError<T, M>> {
        match self.end() {
            Ok(()) => Ok(()),
            Err(error) => {
                self.core.ending = null_mut();
                Err(SpaceError { error, given: self })
            }
        }
    }

    /// What `drop` does once; on error the values are listed in the core.
    fn end(&mut self) -> Result<(), Error> {
        let mut from = 0;
        // Values stay where they are until no reader can hold them; their
        // heads are nobody else's, as they are in the space.
        while let Some((id, data)) = self.next(null_mut(), from, Id::MAX) {
            if let Some(node) = Node::<T>::from_data(data) {
                let head = Node::head(node);
                // SAFETY: the head of a node in the space, which nobody else
                // uses: the space is borrowed mutably.
                unsafe {
                    (*head).next = self.core.ending;
                    (*head).func = Some(Node::<T>::disown_head);
                }
                self.core.ending = head;
            }
            from = id + 1;
        }
        self.core.destroy()?;
        self.core.raw = null_mut();
        Ok(())
    }
}

impl<T: 'static, M: Mode<T>> Drop for Space<T, M> {
    fn drop(&mut self) {
        if self.core.raw.is_null() {
            return;
        }
        let ended = self.end().is_ok();
        // Nothing is freed under readers: the one that keeps it from ending
        // may be a guard that was forgotten, or one of another space.
        #[cfg(feature = "std")]
        if !ended && M::THREADS {
            let nothing = Core {
                raw: null_mut(),
                rcu: null_mut(),
                parked: AtomicPtr::new(null_mut()),
                ending: null_mut(),
                open: AtomicUsize::new(0),
                _domain: None,
            };
            let core = core::mem::replace(&mut self.core, nothing);
            crate::domain::put_aside(core);
        }
        #[cfg(feature = "std")]
        if ended {
            crate::domain::reclaim_if_any();
        }
        #[cfg(not(feature = "std"))]
        let _ = ended;
    }
}

impl<T: 'static, M: Mode<T>> fmt::Debug for Space<T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Space").field(&self.stats()).finish()
    }
}

/// Counts of a space.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// IDs that can be found.
    pub live: u32,
    /// Freed, references remain.
    pub pending: u32,
    /// Reserved and not yet published.
    pub unpublished: u32,
    /// Vacant, waiting for a grace period.
    pub quarantined: u32,
    /// Sets.
    pub sets: u32,
    /// Notifiers.
    pub notifiers: u32,
    /// IDs that may be in use or set aside at a time.
    pub capacity: u32,
    /// IDs in use, pending, unpublished or set aside.
    pub committed: u32,
    /// Of these, by [`Space::reserve`].
    pub reserved: u32,
    /// IDs handed out so far.
    pub allocs: u64,
    /// IDs freed so far.
    pub frees: u64,
    /// Calls that gave no ID.
    pub alloc_failed: u64,
    /// Calls that ended no ID.
    pub free_unknown: u64,
    /// Bytes held, but for values.
    pub memory: usize,
}
