// SPDX-License-Identifier: MIT
//! What there is without the feature `std`.

use ioasid::{Builder, Error, LocalSpace, SetConfig};
use std::rc::Rc;

#[test]
fn one_thread_has_a_space() {
    let space: LocalSpace<Rc<u32>> =
        Builder::new().range(1..10).build_local().unwrap();
    let value = Rc::new(5);
    let set = space.create_set(&SetConfig::new().quota(1)).unwrap();
    let id = set.alloc(.., value.clone()).unwrap();
    let failed = set.alloc(.., value.clone()).unwrap_err();
    assert_eq!(failed.error(), Error::Quota);
    drop(failed);
    let guard = space.read();
    assert_eq!(guard.find_in(&set, id).unwrap(), &value);
    let old = space.exchange(id, Rc::new(6)).unwrap();
    assert_eq!(*old, value);
    drop(old);
    assert_eq!(Rc::strong_count(&value), 2);
    drop(guard);
    space.barrier().unwrap();
    assert_eq!(Rc::strong_count(&value), 1);
    let bytes = space.snapshot(|_, value| u64::from(**value)).unwrap();
    let second = LocalSpace::new_local().unwrap();
    second.restore(&bytes, |_, number| Ok(Rc::new(number))).unwrap();
    assert_eq!(second.with(id, |value| **value).unwrap(), 6);
    let weak = Rc::downgrade(&value);
    space.exchange(id, value).map(drop).unwrap();
    assert!(set.destroy().is_err());
    drop(space);
    assert!(weak.upgrade().is_none());
}
