// SPDX-License-Identifier: MIT
//! Threads: what one tenant stores no other ever sees.

use ioasid::{Builder, Error, Set, SetConfig, Space, Store};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

const TENANTS: u32 = 3;

/// Says whose it is, twice: a value that is dropped says it no more.
struct Value {
    tenant: u32,
    id: AtomicU64,
    check: u64,
}

const SALT: u64 = 0x5bd1_e995_9bd1_e995;

impl Value {
    fn new(tenant: u32) -> Self {
        let check = SALT ^ u64::from(tenant);
        Value { tenant, id: AtomicU64::new(u64::MAX), check }
    }

    /// What is wrong with it, to a reader who found it by this tenant's set.
    fn wrong(&self, tenant: u32, id: u32) -> Option<String> {
        let known = self.id.load(Ordering::Acquire);
        if self.check != SALT ^ u64::from(self.tenant) {
            return Some("dropped".into());
        }
        if self.tenant != tenant {
            return Some(format!("{} of {}", tenant, self.tenant));
        }
        if known != u64::MAX && known != u64::from(id) {
            return Some(format!("ID {} in place of {}", known, id));
        }
        None
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        assert!(self
            .wrong(self.tenant, 0)
            .map_or(true, |wrong| wrong != "dropped"));
        self.check = 0;
    }
}

#[test]
fn a_wrong_value_is_noticed() {
    let value = Value::new(1);
    value.id.store(5, Ordering::Relaxed);
    assert_eq!(value.wrong(1, 5), None);
    assert!(value.wrong(2, 5).is_some());
    assert!(value.wrong(1, 6).is_some());
    let dropped = Value { tenant: 1, id: AtomicU64::new(5), check: 0 };
    assert_eq!(dropped.wrong(1, 5).unwrap(), "dropped");
    std::mem::forget(dropped);
}

fn random(state: &mut u64) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 16) as u32
}

fn write(space: &Space<Value>, set: &Set<'_, Value>, tenant: u32, seed: u64) {
    let mut state = seed;
    let mut mine: Vec<u32> = Vec::new();
    for _ in 0..50 {
        match random(&mut state) % 4 {
            0 | 1 => match set.alloc(.., Value::new(tenant)) {
                Ok(id) => {
                    let guard = space.read();
                    let value = guard.find_in(set, id).unwrap();
                    value.id.store(id.into(), Ordering::Release);
                    mine.push(id);
                }
                Err(failed) => assert!(matches!(
                    failed.error(),
                    Error::NoSpace | Error::Again
                )),
            },
            2 => {
                if let Some(&id) = mine.last() {
                    let value = Value::new(tenant);
                    value.id.store(id.into(), Ordering::Release);
                    space.exchange(id, value).map(drop).unwrap();
                }
            }
            _ => {
                if !mine.is_empty() {
                    let at = random(&mut state) as usize % mine.len();
                    let id = mine.swap_remove(at);
                    drop(set.remove(id).unwrap());
                }
            }
        }
    }
    for id in mine {
        space.free(id).unwrap();
    }
}

#[test]
fn tenants_do_not_see_each_other() {
    for store in [Store::Radix, Store::Bitmap, Store::Hash] {
        let space: Space<Value> =
            Builder::new().range(..64).store(store).build().unwrap();
        let make = |_| space.create_set(&SetConfig::new()).unwrap();
        let sets: Vec<_> = (0..TENANTS).map(make).collect();
        let stop = AtomicBool::new(false);
        let found = AtomicU64::new(0);
        thread::scope(|scope| {
            let (space, sets, stop, found) = (&space, &sets, &stop, &found);
            let mut threads = Vec::new();
            for tenant in 0..TENANTS {
                let set = &sets[tenant as usize];
                threads.push(scope.spawn(move || {
                    let mut seed = 1 + u64::from(tenant);
                    while !stop.load(Ordering::Relaxed) {
                        seed += 100;
                        write(space, set, tenant, seed);
                    }
                }));
                threads.push(scope.spawn(move || {
                    let mut hits = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let guard = space.read();
                        for id in 0..64 {
                            if let Ok(value) = guard.find_in(set, id) {
                                assert_eq!(value.wrong(tenant, id), None);
                                hits += 1;
                            }
                        }
                        for (id, value) in guard.iter_in(set, ..) {
                            assert_eq!(value.wrong(tenant, id), None);
                        }
                        drop(guard);
                        if let Ok(value) = set.get(hits as u32 % 64) {
                            let id = value.id();
                            thread::yield_now();
                            assert_eq!(value.wrong(tenant, id), None);
                        }
                    }
                    found.fetch_add(hits, Ordering::Relaxed);
                }));
            }
            let end = Instant::now() + Duration::from_millis(500);
            while Instant::now() < end {
                thread::sleep(Duration::from_millis(10));
                space.barrier().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            // Each by hand: ThreadSanitizer does not see how a scope waits.
            for thread in threads {
                thread.join().unwrap();
            }
        });
        assert!(found.into_inner() > 0);
        space.validate().unwrap();
        assert_eq!(space.stats().live, 0);
    }
}
