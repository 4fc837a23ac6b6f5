// SPDX-License-Identifier: MIT
//! What a lookup costs: nanoseconds, the median of 9 rounds that take turns.
//!
//! Each line is `name median_ns`. 1,000 IDs and their values lie in the caches,
//! and are looked up in an order that no predictor learns; the sum of the values
//! is checked, so that none is left out.

use ioasid::{Builder, Space, Store};
use std::{collections::HashMap, sync::RwLock, time::Instant};

const IDS: u64 = 1000;
const LOOKUPS: usize = 200_000;
const ROUNDS: usize = 9;

extern "C" {
    fn bench_in_section(
        space: *mut ioasid_sys::ioasid_space,
        ids: *const u32,
        count: usize,
        offset: usize,
    ) -> u64;
    fn bench_sections(
        space: *mut ioasid_sys::ioasid_space,
        ids: *const u32,
        count: usize,
        offset: usize,
    ) -> u64;
}

/// Where a value lies behind a private pointer.
fn value_offset(space: &Space<u64>, id: u32) -> usize {
    let guard = space.read();
    let value: *const u64 = guard.get(id).unwrap();
    let mut data = std::ptr::null_mut();
    // The section is open.
    let found = unsafe {
        let none = std::ptr::null();
        ioasid_sys::ioasid_space_find_rcu(space.as_raw(), none, id, &mut data)
    };
    assert_eq!(found, 0);
    value as usize - data as usize
}

fn main() {
    let mut state = 88_172_645_463_325_252u64;
    let ids: Vec<u32> = (0..LOOKUPS)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % IDS) as u32
        })
        .collect();
    let expected: u64 = ids.iter().map(|&id| u64::from(id)).sum();
    let ids = &ids[..];

    let make = |store| {
        let space: Space<u64> =
            Builder::new().range(..1 << 20).store(store).build().unwrap();
        for id in 0..IDS {
            assert_eq!(space.alloc(.., id).unwrap(), id as u32);
        }
        space
    };
    let radix = make(Store::Radix);
    let offset = value_offset(&radix, 0);
    let bitmap = make(Store::Bitmap);
    let hash = make(Store::Hash);
    let mut slab = slab::Slab::new();
    let sharded = sharded_slab::Slab::new();
    let mut keys = Vec::new();
    let map = dashmap::DashMap::new();
    let mut std_map = HashMap::new();
    for id in 0..IDS {
        assert_eq!(slab.insert(id), id as usize);
        keys.push(sharded.insert(id).unwrap());
        map.insert(id as u32, id);
        std_map.insert(id as u32, id);
    }
    let slab = RwLock::new(slab);
    let std_map = RwLock::new(std_map);

    type Loop<'a> = Box<dyn Fn() -> u64 + 'a>;
    let mut loops: Vec<(String, Loop<'_>)> = Vec::new();
    for (name, space) in
        [("radix", &radix), ("bitmap", &bitmap), ("hash", &hash)]
    {
        let raw = space.as_raw();
        let (at, count) = (ids.as_ptr(), ids.len());
        // The space lasts, and so do the IDs; sections are left in C.
        loops.push((
            format!("c_{}", name),
            Box::new(move || unsafe {
                bench_in_section(raw, at, count, offset)
            }),
        ));
        loops.push((
            format!("rust_{}", name),
            Box::new(move || {
                let guard = space.read();
                ids.iter().filter_map(|&id| guard.get(id)).sum()
            }),
        ));
        loops.push((
            format!("c_{}_section_each", name),
            Box::new(move || unsafe { bench_sections(raw, at, count, offset) }),
        ));
        loops.push((
            format!("rust_{}_guard_each", name),
            Box::new(move || {
                ids.iter()
                    .map(|&id| space.read().get(id).map_or(0, |value| *value))
                    .sum()
            }),
        ));
        loops.push((
            format!("rust_{}_ref_each", name),
            Box::new(move || {
                ids.iter().map(|&id| *space.get(id).unwrap()).sum()
            }),
        ));
    }
    loops.push((
        "rwlock_slab".into(),
        Box::new(|| {
            let sum = |&id: &u32| slab.read().unwrap()[id as usize];
            ids.iter().map(sum).sum()
        }),
    ));
    loops.push((
        "sharded_slab".into(),
        Box::new(|| {
            let sum = |&id: &u32| *sharded.get(keys[id as usize]).unwrap();
            ids.iter().map(sum).sum()
        }),
    ));
    loops.push((
        "dashmap".into(),
        Box::new(|| ids.iter().map(|id| *map.get(id).unwrap()).sum()),
    ));
    loops.push((
        "rwlock_hashmap".into(),
        Box::new(|| ids.iter().map(|id| std_map.read().unwrap()[id]).sum()),
    ));

    let mut times = vec![Vec::new(); loops.len()];
    for _ in 0..ROUNDS {
        for ((name, func), times) in loops.iter().zip(&mut times) {
            let begin = Instant::now();
            let sum = func();
            let took = begin.elapsed().as_nanos() as f64;
            assert_eq!(sum, expected, "{}", name);
            times.push(took / LOOKUPS as f64);
        }
    }
    for ((name, _), times) in loops.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("{} {:.2}", name, times[ROUNDS / 2]);
    }
}
