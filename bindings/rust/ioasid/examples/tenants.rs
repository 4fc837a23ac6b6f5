// SPDX-License-Identifier: MIT
//! Tenants that share one space of numbers, as guests share the PASIDs of an
//! IOMMU: each finds its own, whatever numbers it tries.

use ioasid::{Builder, Error, Set, SetConfig, Space};
use std::thread;

struct Pages {
    tenant: usize,
    first: u64,
}

/// What a device does with the number that comes with a request.
fn translate(set: &Set<'_, Pages>, pasid: u32, page: u64) -> Option<u64> {
    let guard = set.space().read();
    let pages = guard.find_in(set, pasid).ok()?;
    Some(pages.first + page)
}

fn main() -> Result<(), Error> {
    let space: Space<Pages> =
        Builder::new().range(1..1 << 20).name("pasids").build()?;
    let config = SetConfig::new().quota(16);
    let tenants = [space.create_set(&config)?, space.create_set(&config)?];
    let mut pasids = Vec::new();
    for (tenant, set) in tenants.iter().enumerate() {
        let first = 1000 * (tenant as u64 + 1);
        pasids.push(set.alloc(.., Pages { tenant, first })?);
    }

    thread::scope(|scope| {
        for (tenant, set) in tenants.iter().enumerate() {
            let (space, pasid) = (&space, pasids[tenant]);
            scope.spawn(move || {
                for page in 0..1000 {
                    assert!(translate(set, pasid, page).is_some());
                }
                // Others' values are read by who owns the space, not the set.
                assert_eq!(space.get(pasid).unwrap().tenant, tenant);
            });
        }
    });
    println!("page 7 of tenant 0: {:?}", translate(&tenants[0], pasids[0], 7));
    println!("page 7 of tenant 1: {:?}", translate(&tenants[1], pasids[0], 7));

    let [first, second] = tenants;
    println!("{} of the first's freed", first.free_all());
    first.destroy()?;
    println!("{} live", space.stats().live);
    drop(second);
    Ok(())
}
