// SPDX-License-Identifier: MIT
//! Snapshots: a space as bytes, with values as numbers.

use crate::{
    error::{check, Error},
    mode::Mode,
    node::Node,
    set::Set,
    shield::Shield,
    Id, Space,
};
use alloc::vec::Vec;
use core::{ffi::c_void, ptr::addr_of_mut};
use ioasid_sys as sys;

struct Encoder<F> {
    func: F,
    shield: Shield,
}

unsafe extern "C" fn encode<T: 'static, F: FnMut(Id, &T) -> u64>(
    context: *mut c_void,
    id: Id,
    data: *mut c_void,
) -> u64 {
    // SAFETY: of `snapshot`, which uses it no more until C has returned.
    let encoder = unsafe { &mut *context.cast::<Encoder<F>>() };
    let Encoder { func, shield } = encoder;
    match Node::<T>::from_data(data) {
        // SAFETY: in the space, whose lock is held: nobody takes it out.
        Some(node) => {
            shield.run(0, || func(id, unsafe { Node::value(node.as_ptr()) }))
        }
        None => 0,
    }
}

unsafe extern "C" fn encode_token(_: *mut c_void, token: *mut c_void) -> u64 {
    token as usize as u64
}

struct Decoder<F> {
    func: F,
    shield: Shield,
}

unsafe extern "C" fn decode<T, F>(
    context: *mut c_void,
    id: Id,
    number: u64,
    data: *mut *mut c_void,
) -> sys::c_int
where
    T: 'static,
    F: FnMut(Id, u64) -> Result<T, Error>,
{
    // SAFETY: of `restore`, which uses it no more until C has returned.
    let decoder = unsafe { &mut *context.cast::<Decoder<F>>() };
    let Decoder { func, shield } = decoder;
    match shield.run(Err(Error::Io), || func(id, number)) {
        Ok(value) => {
            // SAFETY: C's, to be written.
            unsafe { *data = Node::as_data(Node::new(value)) };
            0
        }
        Err(error) => -error.raw_errno().saturating_abs().max(1),
    }
}

unsafe extern "C" fn decode_token(
    _: *mut c_void,
    number: u64,
    token: *mut *mut c_void,
) -> sys::c_int {
    match usize::try_from(number) {
        Ok(number) => {
            // SAFETY: C's, to be written.
            unsafe { *token = number as *mut c_void };
            0
        }
        Err(_) => -Error::Range.raw_errno(),
    }
}

unsafe extern "C" fn discard<T: 'static, F>(
    context: *mut c_void,
    _: Id,
    data: *mut c_void,
) {
    // SAFETY: of `restore`, as in `decode`.
    let decoder = unsafe { &mut *context.cast::<Decoder<F>>() };
    if let Some(node) = Node::<T>::from_data(data) {
        // SAFETY: from `decode`, and seen by nobody: the restore has failed.
        let value = unsafe { Node::into_value(node) };
        decoder.shield.run_last(|| drop(value));
    }
}

impl<T: 'static, M: Mode<T>> Space<T, M> {
    /// Writes the space as bytes: its sets with names, tokens and limits, and
    /// its IDs with owner, SPID, generation and references, of one moment.
    ///
    /// `encode` gives the number that stands for a value; it may be asked more
    /// than once for one ID. It is called with the space's lock: it may look IDs
    /// up, and must not call anything else of the space, which would wait for
    /// itself. A panic of it is passed on (without `std`: aborts).
    ///
    /// Context: takes the space's lock, for long; may be called inside a guard.
    /// Errors: [`Error::NoBuffers`] more than fits into memory here. Complexity:
    /// a walk over all IDs.
    pub fn snapshot(
        &self,
        encode: impl FnMut(Id, &T) -> u64,
    ) -> Result<Vec<u8>, Error> {
        fn codec<T: 'static, F: FnMut(Id, &T) -> u64>(
            encoder: &mut Encoder<F>,
        ) -> sys::ioasid_codec {
            let encoder: *mut Encoder<F> = encoder;
            sys::ioasid_codec {
                encode: Some(self::encode::<T, F>),
                encode_token: Some(encode_token),
                context: encoder.cast(),
                ..Default::default()
            }
        }
        let mut encoder = Encoder { func: encode, shield: Shield::new() };
        let mut bytes: Vec<u8> = Vec::new();
        loop {
            let mut needed = 0;
            let codec = codec::<T, _>(&mut encoder);
            // SAFETY: the space, the codec and its context live for the call;
            // of the buffer so many bytes are there.
            let ret = unsafe {
                let buffer = bytes.as_mut_ptr().cast();
                let size = bytes.len();
                let raw = self.core.raw;
                sys::ioasid_space_snapshot(
                    raw,
                    &codec,
                    buffer,
                    size,
                    &mut needed,
                )
            };
            if encoder.shield.failed() {
                encoder.shield.resume();
                return Err(Error::Io);
            }
            match check(ret) {
                Ok(_) => {
                    bytes.truncate(needed);
                    return Ok(bytes);
                }
                Err(Error::NoBuffers) if needed < isize::MAX as usize => {
                    // Some more, as the space may grow meanwhile.
                    bytes.resize(needed.saturating_add(needed / 8), 0);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Fills an empty space from a snapshot. [`sets`](Self::sets) gives the sets
    /// in it.
    ///
    /// `decode` makes the value for a number; an error of it ends the restore,
    /// is returned, and all that was made is dropped. As `encode` of
    /// [`snapshot`](Self::snapshot) it may look IDs up and nothing else. IDs that
    /// had references beside their own come back with these, which no [`Ref`]
    /// has: [`put_restored`](Self::put_restored). Pending IDs come back without
    /// value.
    ///
    /// Context: takes the space's lock, for long; may be called inside a guard.
    /// Errors: [`Error::BadMessage`] not a snapshot, or damaged;
    /// [`Error::Protocol`] a later version; [`Error::Busy`] the space is not
    /// empty; [`Error::Range`]; [`Error::NoSpace`]; [`Error::NoDevice`];
    /// [`Error::Exists`]; [`Error::Again`]; [`Error::NoMemory`]; those of
    /// `decode`. On error the space is as it was. Complexity: the allocs of its
    /// IDs and sets.
    ///
    /// [`Ref`]: crate::Ref
    pub fn restore(
        &self,
        bytes: &[u8],
        decode: impl FnMut(Id, u64) -> Result<T, Error>,
    ) -> Result<(), Error> {
        fn codec<T, F>(decoder: &mut Decoder<F>) -> sys::ioasid_codec
        where
            T: 'static,
            F: FnMut(Id, u64) -> Result<T, Error>,
        {
            let decoder: *mut Decoder<F> = decoder;
            sys::ioasid_codec {
                decode: Some(self::decode::<T, F>),
                decode_token: Some(decode_token),
                discard: Some(discard::<T, F>),
                context: decoder.cast(),
                ..Default::default()
            }
        }
        let mut decoder = Decoder { func: decode, shield: Shield::new() };
        let codec = codec::<T, _>(&mut decoder);
        // SAFETY: the space, the codec, its context and the bytes live for the
        // call, and the bytes do not change.
        let ret = unsafe {
            let (from, size) = (bytes.as_ptr().cast(), bytes.len());
            sys::ioasid_space_restore(self.core.raw, &codec, from, size)
        };
        decoder.shield.resume();
        check(ret).map(drop)
    }

    /// The space, and all its sets: those that [`restore`](Self::restore) made,
    /// and those whose [`Set`] was dropped while they had IDs.
    ///
    /// Context: takes the space's lock in between. It borrows the space alone,
    /// as nobody else may have a `Set` then. Complexity: linear in the sets.
    pub fn sets(&mut self) -> (&Self, Vec<Set<'_, T, M>>) {
        unsafe extern "C" fn add(
            set: *mut sys::ioasid_set,
            arg: *mut c_void,
        ) -> sys::c_int {
            // SAFETY: the vector below, which nothing else uses meanwhile.
            let sets = unsafe { &mut *arg.cast::<Vec<*mut sys::ioasid_set>>() };
            sets.push(set);
            0
        }
        let mut raw: Vec<*mut sys::ioasid_set> = Vec::new();
        let arg = addr_of_mut!(raw).cast();
        // SAFETY: the space and the vector live for the call.
        unsafe { sys::ioasid_set_for_each(self.core.raw, Some(add), arg) };
        let space: &Self = self;
        // SAFETY: the space is borrowed mutably: no other `Set` of it is
        // there, but forgotten ones, which nobody uses.
        let own = |set| unsafe { space.own_set(set) };
        (space, raw.into_iter().map(own).collect())
    }
}
