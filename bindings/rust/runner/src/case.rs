// SPDX-License-Identifier: MIT
//! One case on one store, line by line.
//!
//! Values are the numbers of the cases. What the crate has no safe call for goes
//! to `ioasid-sys`: a getter that says no, a set of another space where the
//! crate has only the set's own, publishing and releasing what is not reserved,
//! a token of 0, the number of sets, and destroying a space in a read section.
//! References are forgotten when taken and put by `put_restored()`, as `put`
//! names no reference.

use crate::file::{is_name, number, File};
use ioasid::{
    AllocError, Builder, Error, Guard, Handle, Reserved, Reuse, Set, SetConfig,
    Store,
};
use ioasid_sys as sys;
use std::{
    collections::HashMap, ffi::c_void, fmt::Display, mem::forget,
    num::NonZeroUsize, ptr::null_mut,
};

type Space = ioasid::Space<u64>;

/// A space of the case. Guards, sets and IDs borrow it for as long as it is
/// here, and are gone before it is.
struct Used {
    own: *mut Space,
    space: &'static Space,
    guards: Vec<Guard<'static, u64>>,
    reserved: HashMap<u32, Reserved<'static, u64>>,
}

#[derive(Default)]
struct Run {
    spaces: HashMap<String, Used>,
    /// Each with the name of its space.
    sets: HashMap<String, (String, Set<'static, u64>)>,
    handles: HashMap<String, u64>,
    cursors: HashMap<String, u32>,
    snapshots: HashMap<String, Vec<u8>>,
    in_use: Option<String>,
    /// What the call wrote, and whether a line may leave it out.
    given: Vec<(String, bool)>,
}

/// Why a line is wrong, or what the library said.
enum Fault {
    Line(String),
    Library(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Library(error)
    }
}

impl From<AllocError<u64>> for Fault {
    fn from(failed: AllocError<u64>) -> Self {
        Fault::Library(failed.error())
    }
}

fn wrong<R>(why: &str) -> Result<R, Fault> {
    Err(Fault::Line(why.into()))
}

fn check(ret: i32) -> Result<(), Fault> {
    if ret < 0 {
        return Err(Error::from_raw_errno(-ret).into());
    }
    Ok(())
}

/// Every operation: the words it takes, in any order but for NAME and HEX.
/// `!`: it has no result; `*`: it needs no space in use.
const OPS: &[(&str, &str)] = &[
    ("alloc", "[set] min max data"),
    ("alloc_cyclic", "cursor [set] min max data"),
    ("barrier", ""),
    ("bytes", "! * NAME HEX"),
    ("capacity", "count"),
    ("destroy", ""),
    ("exchange", "id data"),
    ("find", "[set] id [accept]"),
    ("find_handle", "[set] handle [accept]"),
    ("for_each", "[set] min max"),
    ("free", "id"),
    ("free_all", ""),
    ("free_handle", "handle"),
    ("get", "[set] id [times]"),
    ("get_handle", "[set] handle"),
    ("handle", "[set] id as"),
    ("lock", "!"),
    ("next", "[set] min max"),
    ("publish_id", "id data"),
    ("put", "id [times]"),
    ("release_id", "id"),
    ("remove", "[set] id"),
    ("reserve", "count"),
    ("reserve_id", "[set] min max"),
    ("restore", "from [damage] [length]"),
    ("set", "NAME [token] [quota] [reserved] [name]"),
    ("set_by_token", "token [as]"),
    ("set_data", "id data"),
    ("set_destroy", "set"),
    ("set_free_all", "set"),
    ("set_limit", "set quota reserved"),
    ("set_of", "id [as]"),
    ("set_stats", "set"),
    ("sets", ""),
    ("snapshot", "as"),
    ("space", "* NAME [min] [max] [reuse] [quarantine] [capacity] [name]"),
    ("spid_attach", "id spid"),
    ("spid_detach", "id"),
    ("spid_find", "set spid [accept]"),
    ("spid_of", "id"),
    ("stats", ""),
    ("synchronize", ""),
    ("trim", ""),
    ("unlock", "!"),
    ("unreserve", "count"),
    ("use", "! * NAME"),
    ("validate", ""),
];

const NAMES: [(&str, Error); 23] = [
    ("EPERM", Error::NotPermitted),
    ("ENOENT", Error::NotFound),
    ("EIO", Error::Io),
    ("E2BIG", Error::TooBig),
    ("EAGAIN", Error::Again),
    ("ENOMEM", Error::NoMemory),
    ("EACCES", Error::Access),
    ("EBUSY", Error::Busy),
    ("EEXIST", Error::Exists),
    ("EXDEV", Error::CrossSpace),
    ("ENODEV", Error::NoDevice),
    ("EINVAL", Error::Invalid),
    ("ENFILE", Error::TooManySets),
    ("ENOSPC", Error::NoSpace),
    ("ERANGE", Error::Range),
    ("EDEADLK", Error::Deadlock),
    ("EPROTO", Error::Protocol),
    ("EBADMSG", Error::BadMessage),
    ("EOVERFLOW", Error::Overflow),
    ("ENAMETOOLONG", Error::NameTooLong),
    ("ENOBUFS", Error::NoBuffers),
    ("ESTALE", Error::Stale),
    ("EDQUOT", Error::Quota),
];

/// The words of a line before the arrow.
struct Args<'l> {
    plain: Vec<&'l str>,
    keyed: HashMap<&'l str, &'l str>,
}

impl<'l> Args<'l> {
    fn new(words: &'l [String], takes: &str) -> Result<Self, Fault> {
        let mut args = Args { plain: Vec::new(), keyed: HashMap::new() };
        let mut plain = takes
            .split_whitespace()
            .filter(|word| matches!(*word, "NAME" | "HEX"))
            .count();
        for word in words {
            if plain > 0 {
                args.plain.push(word);
                plain -= 1;
                continue;
            }
            let taken = word.split_once('=').filter(|(key, _)| {
                takes
                    .split_whitespace()
                    .any(|word| word.trim_matches(&['[', ']'][..]) == *key)
            });
            match taken {
                Some((key, value)) if !args.keyed.contains_key(key) => {
                    args.keyed.insert(key, value);
                }
                _ => return wrong("a word that the operation does not take"),
            }
        }
        if plain > 0 {
            return wrong("a word is missing");
        }
        for key in takes.split_whitespace() {
            let needed = key.starts_with(|c: char| c.is_ascii_lowercase());
            if needed && !args.keyed.contains_key(key) {
                return wrong("a key is missing");
            }
        }
        // Keys that are numbers are, whether the call looks at them or not.
        for key in [
            "min", "max", "id", "data", "times", "count", "token", "quota",
            "reserved", "spid", "capacity", "length",
        ] {
            args.u32(key, 0)?;
        }
        for (key, values) in [
            ("accept", &["no"][..]),
            ("reuse", &["lowest", "cyclic"]),
            ("quarantine", &["no", "yes"]),
        ] {
            if args.keyed.get(key).map_or(false, |is| !values.contains(is)) {
                return wrong("a value that cannot be");
            }
        }
        Ok(args)
    }

    fn get(&self, key: &str) -> &'l str {
        self.keyed.get(key).copied().unwrap_or_default()
    }

    fn has(&self, key: &str) -> bool {
        self.keyed.contains_key(key)
    }

    fn u32(&self, key: &str, otherwise: u32) -> Result<u32, Fault> {
        match self.keyed.get(key) {
            None => Ok(otherwise),
            Some(text) => match number(text, u32::MAX.into()) {
                Some(number) => Ok(number as u32),
                None => wrong("a value that cannot be"),
            },
        }
    }
}

unsafe extern "C" fn say_no(_: *mut c_void) -> bool {
    false
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

impl Run {
    fn give(&mut self, key: &str, value: impl Display) {
        self.given.push((format!("{}={}", key, value), false));
    }

    fn offer(&mut self, key: &str, value: impl Display) {
        self.given.push((format!("{}={}", key, value), true));
    }

    fn used(&self) -> &Used {
        &self.spaces[self.in_use.as_ref().expect("a space is in use")]
    }

    fn used_mut(&mut self) -> &mut Used {
        let name = self.in_use.as_ref().expect("a space is in use");
        self.spaces.get_mut(name).expect("it is there")
    }

    fn set<'r>(
        &'r self,
        args: &Args<'_>,
    ) -> Result<Option<&'r Set<'static, u64>>, Fault> {
        match args.keyed.get("set") {
            None => Ok(None),
            Some(&name) => match self.sets.get(name) {
                Some((_, set)) => Ok(Some(set)),
                None => wrong("a value that cannot be"),
            },
        }
    }

    fn handle(&self, args: &Args<'_>) -> Result<u64, Fault> {
        let text = args.get("handle");
        match self.handles.get(text) {
            Some(&handle) => Ok(handle),
            None => match number(text, u64::MAX) {
                Some(handle) => Ok(handle),
                None => wrong("a value that cannot be"),
            },
        }
    }

    /// The name of a set of the library's.
    fn name_of(&self, raw: *mut sys::ioasid_set) -> Option<String> {
        let found = self.sets.iter().find(|(_, (_, set))| set.as_raw() == raw);
        found.map(|(name, _)| name.clone())
    }

    /// A set was found: it has a name, or gets the one of `as=`.
    fn found_set(
        &mut self,
        args: &Args<'_>,
        raw: *mut sys::ioasid_set,
    ) -> Result<(), Fault> {
        let name = self.name_of(raw);
        if !args.has("as") {
            let none = if raw.is_null() { "none" } else { "(not named)" };
            self.give("set", name.unwrap_or_else(|| none.into()));
            return Ok(());
        }
        // Sets of a restore are here by an address, which is no name.
        let name = name.filter(|name| !is_name(name));
        let bound = name
            .ok_or_else(|| Fault::Line("no set, or one with a name".into()))?;
        let text = args.get("as");
        if !is_name(text) || text == "none" || self.sets.contains_key(text) {
            return wrong("not a name, or taken");
        }
        let set = self.sets.remove(&bound).expect("found above");
        self.sets.insert(text.into(), set);
        Ok(())
    }

    /// Adopts the sets that a restore has made.
    fn adopt(&mut self) {
        let name = self.in_use.clone().expect("a space is in use");
        let used = self.used_mut();
        let depth = used.guards.len();
        let rcu = unsafe { sys::ioasid_space_rcu(used.space.as_raw()) };
        // The section goes on while the space is borrowed mutably.
        unsafe { sys::ioasid_rcu_read_lock(rcu) };
        used.guards.clear();
        // Nothing else borrows it: it had no sets, guards, or reserved IDs.
        let (_, sets) = unsafe { &mut *used.own }.sets();
        used.guards.extend((0..depth).map(|_| used.space.read()));
        unsafe { sys::ioasid_rcu_read_unlock(rcu) };
        for set in sets {
            let key = format!("({:p})", set.as_raw());
            self.sets.insert(key, (name.clone(), set));
        }
    }

    /// Ends a space that nothing is to use any more.
    fn destroy(&mut self, name: &str) -> Result<(), Error> {
        let used = &self.spaces[name];
        if !used.guards.is_empty() {
            // The library says no, and the space is there as before.
            let raw = used.space.as_raw();
            let ret = unsafe { sys::ioasid_space_destroy(raw) };
            assert!(ret < 0, "destroyed in a read section");
            return Err(Error::from_raw_errno(-ret));
        }
        let used = self.spaces.remove(name).expect("it is there");
        used.reserved.into_values().for_each(forget);
        let (ended, left) = std::mem::take(&mut self.sets)
            .into_iter()
            .partition(|(_, (space, _))| space == name);
        self.sets = left;
        let ended: HashMap<String, (String, Set<'static, u64>)> = ended;
        ended.into_values().for_each(|(_, set)| forget(set));
        // Made by `space()`; what borrowed it is gone.
        let space = unsafe { Box::from_raw(used.own) };
        space.destroy().map_err(|failed| failed.error())
    }

    fn space(&mut self, args: &Args<'_>, store: Store) -> Result<(), Fault> {
        let name = args.plain[0];
        if !is_name(name) || self.spaces.contains_key(name) {
            return wrong("not a name, or taken");
        }
        let (min, max) = (args.u32("min", 0)?, args.u32("max", 0)?);
        let mut builder = Builder::new()
            .store(store)
            .capacity(args.u32("capacity", 0)?)
            .quarantine(args.get("quarantine") == "yes");
        if (min, max) != (0, 0) {
            builder = builder.range(min..=max);
        }
        if args.get("reuse") == "cyclic" {
            builder = builder.reuse(Reuse::Cyclic);
        }
        if args.has("name") {
            if matches!(args.get("name"), "" | "none") {
                return wrong("a value that cannot be");
            }
            builder = builder.name(args.get("name"));
        }
        let own = Box::into_raw(Box::new(builder.build()?));
        // It lasts until `destroy()`.
        let space = unsafe { &*own };
        let reserved = HashMap::new();
        let used = Used { own, space, guards: Vec::new(), reserved };
        self.spaces.insert(name.into(), used);
        self.in_use = Some(name.into());
        Ok(())
    }

    fn bytes(&mut self, args: &Args<'_>) -> Result<(), Fault> {
        let (name, hex) = (args.plain[0], args.plain[1]);
        if !is_name(name) || self.snapshots.contains_key(name) {
            return wrong("not a name, or taken");
        }
        let lower = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() % 2 != 0 || !hex.as_bytes().iter().all(lower) {
            return wrong("not two digits 0-9, a-f a byte");
        }
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        let bytes = (0..hex.len()).step_by(2).map(byte).collect();
        self.snapshots.insert(name.into(), bytes);
        Ok(())
    }

    fn new_set(&mut self, args: &Args<'_>) -> Result<(), Fault> {
        let name = args.plain[0];
        let mut config = SetConfig::new()
            .quota(args.u32("quota", 0)?)
            .reserved(args.u32("reserved", 0)?);
        if let Some(token) = NonZeroUsize::new(args.u32("token", 0)? as usize) {
            config = config.token(token);
        }
        if args.has("name") {
            if matches!(args.get("name"), "" | "none") {
                return wrong("a value that cannot be");
            }
            config = config.name(args.get("name"));
        }
        let set = self.used().space.create_set(&config)?;
        if !is_name(name) || name == "none" || self.sets.contains_key(name) {
            return wrong("not a name, or taken");
        }
        let space = self.in_use.clone().expect("a space is in use");
        self.sets.insert(name.into(), (space, set));
        Ok(())
    }

    /// What is done with a set: by the crate if it is of the space in use.
    fn with_set(&mut self, op: &str, args: &Args<'_>) -> Result<(), Fault> {
        let name = args.get("set");
        let set = self.set(args)?.expect("its key is needed");
        let space = self.used().space;
        let (quota, reserved) =
            (args.u32("quota", 0)?, args.u32("reserved", 0)?);
        if self.sets[name].0 != *self.in_use.as_ref().expect("in use") {
            let (raw, set) = (space.as_raw(), set.as_raw());
            let mut info = sys::ioasid_set_info::default();
            let ret = unsafe {
                match op {
                    "set_destroy" => sys::ioasid_set_destroy(raw, set),
                    "set_limit" => {
                        sys::ioasid_set_limit(raw, set, quota, reserved)
                    }
                    "set_stats" => sys::ioasid_set_stats(raw, set, &mut info),
                    _ => sys::ioasid_set_free_all(raw, set, null_mut()),
                }
            };
            assert!(ret < 0, "a set of another space was taken");
            return check(ret);
        }
        match op {
            "set_destroy" => {
                let (space, set) = self.sets.remove(name).expect("found above");
                if let Err(failed) = set.destroy() {
                    let error = failed.error();
                    let set = failed.into_set();
                    self.sets.insert(name.into(), (space, set));
                    return Err(error.into());
                }
            }
            "set_limit" => set.limit(quota, reserved)?,
            "set_stats" => {
                let info = set.info();
                let name = Some(info.name).filter(|name| !name.is_empty());
                self.give("name", name.unwrap_or_else(|| "none".into()));
                self.give("token", info.token.map_or(0, NonZeroUsize::get));
                self.give("quota", info.quota);
                self.give("reserved", info.reserved);
                self.give("count", info.count);
                self.give("spids", info.spids);
            }
            _ => {
                let count = set.free_all();
                self.give("count", count);
            }
        }
        Ok(())
    }

    fn find(&mut self, op: &str, args: &Args<'_>) -> Result<(), Fault> {
        let space = self.used().space;
        let raw = space.as_raw();
        let set = self.set(args)?;
        let raw_set = set.map_or(null_mut(), Set::as_raw);
        let id = args.u32("id", 0)?;
        let handle = match op {
            "find_handle" => self.handle(args)?,
            _ => 0,
        };
        if args.has("accept") {
            let (mut found, mut data) = (0, null_mut());
            check(unsafe {
                match op {
                    "find" => sys::ioasid_space_find(
                        raw,
                        raw_set,
                        id,
                        Some(say_no),
                        &mut data,
                    ),
                    "find_handle" => sys::ioasid_space_find_handle(
                        raw,
                        raw_set,
                        handle,
                        Some(say_no),
                        &mut data,
                    ),
                    _ => sys::ioasid_spid_find(
                        raw,
                        raw_set,
                        args.u32("spid", 0)?,
                        Some(say_no),
                        &mut found,
                        &mut data,
                    ),
                }
            })?;
            if op == "spid_find" {
                self.give("id", found);
            }
            self.give("data", data as usize);
            return Ok(());
        }
        let guard = space.read();
        let data = match (op, set) {
            ("find", None) => *guard.find(id)?,
            ("find", Some(set)) => *guard.find_in(set, id)?,
            ("find_handle", set) => {
                let handle =
                    Handle::from_bits(handle).ok_or(Error::NotFound)?;
                match set {
                    None => *guard.find_handle(handle)?,
                    Some(set) => *guard.find_handle_in(set, handle)?,
                }
            }
            (_, set) => {
                let set = set.expect("its key is needed");
                let spid = args.u32("spid", 0)?;
                let (id, &data) = guard.find_spid(set, spid)?;
                self.give("id", id);
                data
            }
        };
        self.give("data", data);
        Ok(())
    }

    fn restore(&mut self, args: &Args<'_>) -> Result<(), Fault> {
        let from = match self.snapshots.get(args.get("from")) {
            Some(bytes) => bytes,
            None => return wrong("a value that cannot be"),
        };
        let length = match args.has("length") {
            true => args.u32("length", 0)? as usize,
            false => from.len(),
        };
        if length > from.len() {
            return wrong("the snapshot is not that long");
        }
        let mut bytes = from[..length].to_vec();
        if args.has("damage") {
            let parts = args.get("damage").split_once(':');
            let parts = parts.and_then(|(at, by)| {
                Some((number(at, u32::MAX.into())?, number(by, 255)?))
            });
            match parts {
                Some((at, by)) if by != 0 && (at as usize) < length => {
                    bytes[at as usize] ^= by as u8;
                }
                _ => return wrong("damage that cannot be"),
            }
        }
        self.used().space.restore(&bytes, |_, number| Ok(number))?;
        self.adopt();
        Ok(())
    }

    /// True: the search went around.
    fn call(&mut self, op: &str, args: &Args<'_>) -> Result<bool, Fault> {
        let used = self.used();
        let space = used.space;
        let id = args.u32("id", 0)?;
        let data = u64::from(args.u32("data", 0)?);
        let range = args.u32("min", 0)?..=args.u32("max", 0)?;
        let count = args.u32("count", 0)?;
        match op {
            "alloc" => {
                let id = match self.set(args)? {
                    None => space.alloc(range, data)?,
                    Some(set) => space.alloc_in(set, range, data)?,
                };
                self.give("id", id);
            }
            "alloc_cyclic" => {
                let name = args.get("cursor");
                if !is_name(name) {
                    return wrong("a value that cannot be");
                }
                let mut next = self.cursors.get(name).copied().unwrap_or(0);
                let cursor = &mut next;
                let (id, around) = match self.set(args)? {
                    None => space.alloc_cyclic(cursor, range, data)?,
                    Some(set) => {
                        space.alloc_cyclic_in(set, cursor, range, data)?
                    }
                };
                self.cursors.insert(name.into(), next);
                self.give("id", id);
                self.give("next", next);
                return Ok(around);
            }
            "reserve_id" => {
                let reserved = match self.set(args)? {
                    None => space.reserve_id(range)?,
                    Some(set) => space.reserve_id_in(set, range)?,
                };
                self.give("id", reserved.id());
                self.used_mut().reserved.insert(reserved.id(), reserved);
            }
            "publish_id" => match self.used_mut().reserved.remove(&id) {
                None => check(unsafe {
                    let raw = space.as_raw();
                    sys::ioasid_space_publish_id(raw, id, null_mut())
                })?,
                Some(reserved) => {
                    if let Err(failed) = reserved.publish(data) {
                        let error = failed.error();
                        let (reserved, _) = failed.into_parts();
                        self.used_mut().reserved.insert(id, reserved);
                        return Err(error.into());
                    }
                }
            },
            "release_id" => match self.used_mut().reserved.remove(&id) {
                None => check(unsafe {
                    sys::ioasid_space_release_id(space.as_raw(), id)
                })?,
                Some(reserved) => {
                    let before = space.stats().unpublished;
                    drop(reserved);
                    if space.stats().unpublished + 1 != before {
                        return wrong("it was not released");
                    }
                }
            },
            "free" => space.free(id)?,
            "free_handle" => match Handle::from_bits(self.handle(args)?) {
                Some(handle) => space.free_handle(handle)?,
                None => return Err(Error::NotFound.into()),
            },
            "remove" => {
                let data = match self.set(args)? {
                    None => *space.remove(id)?,
                    Some(set) => *space.remove_in(set, id)?,
                };
                self.give("data", data);
            }
            "free_all" => {
                let count = space.free_all();
                self.give("count", count);
            }
            "get" => {
                for _ in 0..args.u32("times", 1)? {
                    forget(match self.set(args)? {
                        None => space.get(id)?,
                        Some(set) => space.get_in(set, id)?,
                    });
                }
            }
            "put" => {
                for _ in 0..args.u32("times", 1)? {
                    space.put_restored(id)?;
                }
            }
            "handle" => {
                let handle = match self.set(args)? {
                    None => space.handle(id)?,
                    Some(set) => space.handle_in(set, id)?,
                };
                let name = args.get("as");
                if !is_name(name) || self.handles.contains_key(name) {
                    return wrong("not a name, or taken");
                }
                self.handles.insert(name.into(), handle.to_bits());
                self.give("generation", handle.generation());
            }
            "get_handle" => {
                let handle = Handle::from_bits(self.handle(args)?);
                let handle = handle.ok_or(Error::NotFound)?;
                forget(match self.set(args)? {
                    None => space.get_handle(handle)?,
                    Some(set) => space.get_handle_in(set, handle)?,
                });
            }
            "exchange" => {
                let old = *space.exchange(id, data)?;
                self.give("old", old);
            }
            "set_data" => {
                let set = space.set_data(id, data);
                set.map_err(|failed| failed.error())?;
            }
            "next" => {
                let guard = space.read();
                let (id, &data) = match self.set(args)? {
                    None => guard.first(range)?,
                    Some(set) => guard.first_in(set, range)?,
                };
                self.give("id", id);
                self.give("data", data);
            }
            "for_each" => {
                if range.is_empty() {
                    // An iterator has nothing; the reason is of `first`.
                    space.read().first(range.clone())?;
                }
                let guard = space.read();
                let iter = match self.set(args)? {
                    None => guard.iter(range),
                    Some(set) => guard.iter_in(set, range),
                };
                let seen: Vec<String> =
                    iter.map(|(id, data)| format!("{}:{}", id, data)).collect();
                let none = seen.is_empty();
                let ids = if none { "none".into() } else { seen.join(",") };
                self.give("ids", ids);
            }
            "capacity" => space.set_capacity(count)?,
            "reserve" => space.reserve(count)?,
            "unreserve" => space.unreserve(count)?,
            "stats" => {
                let stats = space.stats();
                self.offer("live", stats.live);
                self.offer("pending", stats.pending);
                self.offer("unpublished", stats.unpublished);
                self.offer("quarantined", stats.quarantined);
                self.offer("sets", stats.sets);
                self.offer("capacity", stats.capacity);
                self.offer("committed", stats.committed);
                self.offer("reserved", stats.reserved);
                self.offer("allocs", stats.allocs);
                self.offer("frees", stats.frees);
                self.offer("alloc_failed", stats.alloc_failed);
                self.offer("free_unknown", stats.free_unknown);
            }
            "set" => self.new_set(args)?,
            "set_by_token" => {
                let token = args.u32("token", 0)? as usize;
                let mut raw = null_mut();
                check(unsafe {
                    let token = token as *const c_void;
                    sys::ioasid_set_by_token(space.as_raw(), token, &mut raw)
                })?;
                // The crate finds the same.
                let guard = space.read();
                let token = NonZeroUsize::new(token).ok_or(Error::NotFound)?;
                let view = guard.set_by_token(token)?;
                let is = |name| view.is(&self.sets[&name].1);
                if !self.name_of(raw).map_or(false, is) {
                    return wrong("another set is found");
                }
                self.found_set(args, raw)?;
            }
            "set_of" => {
                let guard = space.read();
                let view = guard.set_of(id)?;
                let raw = view.map_or(null_mut(), |view| {
                    let found =
                        self.sets.values().find(|(_, set)| view.is(set));
                    found.map_or(null_mut(), |(_, set)| set.as_raw())
                });
                self.found_set(args, raw)?;
            }
            "set_destroy" | "set_limit" | "set_stats" | "set_free_all" => {
                self.with_set(op, args)?
            }
            "sets" => {
                unsafe extern "C" fn add(
                    _: *mut sys::ioasid_set,
                    arg: *mut c_void,
                ) -> i32 {
                    unsafe { *arg.cast::<u32>() += 1 };
                    0
                }
                let mut count = 0u32;
                let arg: *mut u32 = &mut count;
                check(unsafe {
                    let raw = space.as_raw();
                    sys::ioasid_set_for_each(raw, Some(add), arg.cast())
                })?;
                self.give("count", count);
            }
            "spid_attach" => space.spid_attach(id, args.u32("spid", 0)?)?,
            "spid_detach" => space.spid_detach(id)?,
            "spid_of" => {
                let spid = space.spid_of(id)?;
                self.give("spid", spid);
            }
            "find" | "find_handle" | "spid_find" => self.find(op, args)?,
            "snapshot" => {
                let name = args.get("as");
                if !is_name(name) || self.snapshots.contains_key(name) {
                    return wrong("not a name, or taken");
                }
                let bytes = space.snapshot(|_, &data| data)?;
                self.give("size", bytes.len());
                self.give("crc", crc32(&bytes));
                self.snapshots.insert(name.into(), bytes);
            }
            "restore" => self.restore(args)?,
            "lock" => {
                let guard = space.read();
                self.used_mut().guards.push(guard);
            }
            "unlock" => {
                if self.used_mut().guards.pop().is_none() {
                    return wrong("not in a read section");
                }
            }
            "synchronize" => space.synchronize()?,
            "barrier" => space.barrier()?,
            "trim" => {
                space.trim();
            }
            "validate" => space.validate().map_err(Fault::Line)?,
            "destroy" => {
                let name = self.in_use.clone().expect("a space is in use");
                self.destroy(&name)?;
                self.in_use = None;
            }
            _ => unreachable!("every operation of OPS is here"),
        }
        Ok(false)
    }

    /// Runs a line; what is wrong with it, if something is.
    fn line(&mut self, line: &[String], store: Store) -> Result<(), String> {
        let arrow = line.iter().position(|word| word == "->");
        let before = &line[1..arrow.unwrap_or(line.len())];
        let after = arrow.map(|arrow| &line[arrow + 1..]);
        let op = line[0].as_str();
        let (_, takes) = OPS
            .iter()
            .find(|(name, _)| *name == op)
            .ok_or("no such operation")?;
        let silent = takes.contains('!');
        let expected = match (silent, after) {
            (true, None) => &[],
            (true, Some(_)) => return Err("it has no result".into()),
            (false, None | Some([])) => {
                return Err("the result is missing".into())
            }
            (false, Some(after)) => after,
        };
        self.given.clear();
        let done = Args::new(before, takes).and_then(|args| match op {
            "space" => self.space(&args, store).map(|()| false),
            "bytes" => self.bytes(&args).map(|()| false),
            "use" if self.spaces.contains_key(args.plain[0]) => {
                self.in_use = Some(args.plain[0].into());
                Ok(false)
            }
            "use" => wrong("no such space"),
            _ if self.in_use.is_none() => wrong("no space in use"),
            _ => self.call(op, &args),
        });
        let result = match done {
            Err(Fault::Line(why)) => return Err(why),
            Err(Fault::Library(error)) => {
                self.given.clear();
                let named = NAMES.iter().find(|(_, known)| *known == error);
                named.map_or("an error without a name", |(name, _)| name)
            }
            Ok(true) => "wrapped",
            Ok(false) => "ok",
        };
        if silent {
            return Ok(());
        }
        let values = &expected[1..];
        let there = |(word, optional): &&(String, bool)| {
            !optional || values.contains(word)
        };
        let mut got: Vec<&str> = self
            .given
            .iter()
            .filter(there)
            .map(|(word, _)| word.as_str())
            .collect();
        let mut written: Vec<&str> =
            values.iter().map(String::as_str).collect();
        got.sort_unstable();
        written.sort_unstable();
        if expected[0] == result && got == written {
            return Ok(());
        }
        let given: Vec<&str> =
            self.given.iter().map(|(word, _)| word.as_str()).collect();
        Err(format!(
            "expected {}, got {} {}",
            expected.join(" "),
            result,
            given.join(" ")
        ))
    }

    /// Ends what the case has left; false if it ends in a read section.
    fn clean_up(&mut self) -> bool {
        let open = |used: &Used| !used.guards.is_empty();
        let clean = !self.spaces.values().any(open);
        for used in self.spaces.values_mut() {
            used.guards.clear();
        }
        let names: Vec<String> = self.spaces.keys().cloned().collect();
        for name in names {
            let ended = self.destroy(&name);
            assert_eq!(ended, Ok(()), "a space cannot be destroyed");
        }
        clean
    }
}

/// Runs the case at a line of a file; false if it fails.
pub fn run(file: &File, at: usize, (name, store): (&str, Store)) -> bool {
    let mut run = Run::default();
    let report = |line: usize, why: &str| {
        eprintln!("{}:{}: {}: {}", file.path, line + 1, name, why);
    };
    let mut passed = true;
    for (after, line) in file.lines[at + 1..].iter().enumerate() {
        match line.first().map(String::as_str) {
            None => continue,
            Some("case" | "end") => break,
            Some(_) => {}
        }
        if let Err(why) = run.line(line, store) {
            report(at + 1 + after, &why);
            passed = false;
            break;
        }
    }
    if !run.clean_up() && passed {
        report(at, "the case ends in a read section");
        passed = false;
    }
    passed
}
