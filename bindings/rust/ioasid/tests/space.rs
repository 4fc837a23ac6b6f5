// SPDX-License-Identifier: MIT
//! What each call does, and every error.

use ioasid::{
    Builder, Domain, Error, Event, Handle, LocalSpace, Reuse, SetConfig, Space,
    Store,
};
use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

fn space() -> Space<String> {
    Builder::new().range(1..=9).build().unwrap()
}

fn token(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

#[test]
fn every_store_finds_what_is_there() {
    for store in [Store::Radix, Store::Bitmap, Store::Hash] {
        let space: Space<u32> =
            Builder::new().range(..1000).store(store).build().unwrap();
        for id in 0..1000 {
            assert_eq!(space.alloc(.., id * 2).unwrap(), id);
        }
        let full = space.alloc(.., 7).unwrap_err();
        assert_eq!((full.error(), full.into_value()), (Error::NoSpace, 7));
        let guard = space.read();
        for id in 0..1000 {
            assert_eq!(guard.get(id), Some(&(id * 2)));
        }
        assert_eq!(guard.get(1000), None);
        assert_eq!(guard.get(u32::MAX), None);
        assert_eq!(guard.iter(..).count(), 1000);
        let some: Vec<_> = guard.iter(5..8).collect();
        assert_eq!(some, [(5, &10), (6, &12), (7, &14)]);
        assert_eq!(guard.iter(8..8).next(), None);
        drop(guard);
        space.validate().unwrap();
        assert_eq!(space.free_all(), 1000);
        assert_eq!(space.stats().live, 0);
        space.trim();
    }
}

#[test]
fn ranges() {
    let space = space();
    #[allow(clippy::reversed_empty_ranges)]
    for range in [5..5, 0..0, 7..5] {
        let failed = space.alloc(range, "x".into()).unwrap_err();
        assert_eq!(failed.error(), Error::Invalid);
        assert_eq!(failed.into_value(), "x");
    }
    use std::ops::Bound::{Excluded, Unbounded};
    let last = (Excluded(u32::MAX), Unbounded);
    assert_eq!(
        space.alloc(last, "x".into()).unwrap_err().error(),
        Error::Invalid
    );
    assert_eq!(space.alloc((Excluded(8), Unbounded), "x".into()).unwrap(), 9);
    assert_eq!(
        space.alloc(10.., "x".into()).unwrap_err().error(),
        Error::NoSpace
    );
}

#[test]
fn builders_refuse() {
    let error = |builder: &Builder| builder.build::<u8>().unwrap_err();
    #[allow(clippy::reversed_empty_ranges)]
    let empty = Builder::new().range(5..3);
    assert_eq!(error(&empty), Error::Invalid);
    let wide = Builder::new().store(Store::Bitmap);
    assert_eq!(error(&wide), Error::TooBig);
    let long = Builder::new().name("0123456789012345678901234567890123");
    assert_eq!(error(&long), Error::NameTooLong);
    assert_eq!(error(&Builder::new().name("a\0b")), Error::Invalid);
}

#[test]
fn capacity_is_kept() {
    let space: Space<u8> = Builder::new().capacity(3).build().unwrap();
    space.reserve(2).unwrap();
    assert_eq!(space.reserve(2), Err(Error::NoSpace));
    space.alloc(.., 0).unwrap();
    assert_eq!(space.alloc(.., 0).unwrap_err().error(), Error::NoSpace);
    assert_eq!(space.set_capacity(2), Err(Error::Busy));
    assert_eq!(space.unreserve(3), Err(Error::Invalid));
    space.unreserve(2).unwrap();
    space.set_capacity(2).unwrap();
    assert_eq!(space.stats().capacity, 2);
    assert_eq!(space.stats().alloc_failed, 1);
}

#[test]
fn references_keep_ids_and_values() {
    let space = space();
    let id = space.alloc(.., "one".into()).unwrap();
    let first = space.get(id).unwrap();
    let second = space.get_handle(space.handle(id).unwrap()).unwrap();
    assert_eq!((first.id(), first.handle()), (id, space.handle(id)));
    space.free(id).unwrap();
    assert_eq!(space.free(id), Err(Error::Busy));
    assert_eq!(space.get(id).unwrap_err(), Error::Busy);
    assert_eq!(first.handle(), Err(Error::NotFound));
    assert_eq!(space.stats().pending, 1);
    assert_ne!(space.alloc(.., "two".into()).unwrap(), id);
    drop(first);
    assert_eq!(&*second, "one");
    drop(second);
    assert_eq!(space.free(id), Err(Error::NotFound));
    assert_eq!(space.get(id).unwrap_err(), Error::NotFound);
    assert_eq!(space.alloc(.., "three".into()).unwrap(), id);
    let references: Vec<_> = (0..).map(|_| space.get(id)).take(32764).collect();
    assert!(references.iter().all(|reference| reference.is_ok()));
    assert_eq!(space.get(id).unwrap_err(), Error::Overflow);
    let handle = space.handle(id).unwrap();
    assert_eq!(space.free_handle(handle), Err(Error::Overflow));
}

#[test]
fn handles_tell_uses_apart() {
    let space = space();
    let id = space.alloc(.., "one".into()).unwrap();
    let handle = space.handle(id).unwrap();
    assert_eq!(handle.id(), id);
    assert_eq!(Handle::from_bits(handle.to_bits()), Some(handle));
    assert_eq!(Handle::from_bits(0), None);
    assert_eq!(space.read().find_handle(handle).unwrap(), "one");
    space.free_handle(handle).unwrap();
    assert_eq!(space.handle(id), Err(Error::NotFound));
    assert_eq!(space.read().find_handle(handle), Err(Error::NotFound));
    space.alloc(.., "two".into()).unwrap();
    let next = space.handle(id).unwrap();
    assert_ne!(next.generation(), handle.generation());
    assert_eq!(space.read().find_handle(handle), Err(Error::Stale));
    assert_eq!(space.get_handle(handle).unwrap_err(), Error::Stale);
    assert_eq!(space.free_handle(handle), Err(Error::Stale));
    assert_eq!(space.remove_handle(handle).unwrap_err(), Error::Stale);
    assert_eq!(space.remove_handle(next).unwrap().into_inner().unwrap(), "two");
    assert_eq!(space.stats().live, 0);
}

#[test]
fn owned_ids_are_freed() {
    let space = space();
    let owned = space.alloc_owned(.., "one".into()).unwrap();
    let id = owned.id();
    assert_eq!(owned.handle(), space.handle(id).ok());
    drop(owned);
    assert!(!space.contains(id));
    let owned = space.alloc_owned(.., "two".into()).unwrap();
    space.free(id).unwrap();
    space.alloc(.., "somebody else's".into()).unwrap();
    drop(owned);
    assert_eq!(space.with(id, String::clone).unwrap(), "somebody else's");
    let kept = space.alloc_owned(.., "three".into()).unwrap().into_id();
    assert!(space.contains(kept));
    let failed = space.alloc_owned(20.., "four".into()).unwrap_err();
    assert_eq!(failed.error(), Error::NoSpace);
    assert_eq!(failed.into_value(), "four");
}

#[test]
fn reserved_ids_are_not_found() {
    let space = space();
    let reserved = space.reserve_id(..).unwrap();
    let id = reserved.id();
    assert!(!space.contains(id));
    assert_eq!(space.free(id), Err(Error::NotFound));
    assert_eq!(space.stats().unpublished, 1);
    assert_eq!(reserved.publish("one".into()).unwrap(), id);
    assert!(space.contains(id));
    drop(space.reserve_id(..).unwrap());
    assert_eq!(space.stats().unpublished, 0);
    assert_eq!(space.reserve_id(20..).unwrap_err(), Error::NoSpace);
}

#[test]
fn cursors_go_around() {
    let space: Space<u8> = Builder::new().range(1..=3).build().unwrap();
    let mut next = 0;
    for (id, around) in [(1, false), (2, false), (3, false), (1, true)] {
        let found = space.alloc_cyclic(&mut next, .., 0).unwrap();
        assert_eq!(found, (id, around));
        assert_eq!(next, id + 1);
        space.free(id).unwrap();
    }
    let cyclic: Space<u8> =
        Builder::new().range(1..4).reuse(Reuse::Cyclic).build().unwrap();
    for id in [1, 2, 3, 1] {
        assert_eq!(cyclic.alloc(.., 0).unwrap(), id);
        cyclic.free(id).unwrap();
    }
}

#[test]
fn quarantine_waits_for_guards() {
    let space: Space<u8> =
        Builder::new().range(1..=1).quarantine(true).build().unwrap();
    let guard = space.read();
    space.alloc(.., 0).unwrap();
    space.free(1).unwrap();
    assert_eq!(space.alloc(.., 0).unwrap_err().error(), Error::Again);
    drop(guard);
    space.synchronize().unwrap();
    assert_eq!(space.alloc(.., 0).unwrap(), 1);
}

#[test]
fn values_are_replaced() {
    let space = space();
    let id = space.alloc(.., "one".into()).unwrap();
    let old = space.exchange(id, "two".into()).unwrap();
    assert_eq!(&*old, "one");
    assert_eq!(old.into_inner().unwrap(), "one");
    space.set_data(id, "three".into()).unwrap();
    assert_eq!(space.with(id, String::clone).unwrap(), "three");
    let failed = space.exchange(7, "x".into()).unwrap_err();
    assert_eq!((failed.error(), &*failed.into_value()), (Error::NotFound, "x"));
    let failed = space.set_data(7, "x".into()).unwrap_err();
    assert_eq!(failed.error(), Error::NotFound);
    assert_eq!(failed.into_value().unwrap(), "x");

    let guard = space.read();
    let failed = space.set_data(id, "x".into()).unwrap_err();
    assert_eq!(failed.error(), Error::Deadlock);
    assert_eq!(failed.into_value().unwrap(), "x");
    assert_eq!(guard.get(id).unwrap(), "three");
    let old = space.exchange(id, "four".into()).unwrap();
    let failed = old.into_inner().unwrap_err();
    assert_eq!(failed.error(), Error::Deadlock);
    drop(guard);
    assert_eq!(failed.into_retired().into_inner().unwrap(), "three");

    let reference = space.get(id).unwrap();
    let failed = space.remove(id).unwrap().into_inner().unwrap_err();
    assert_eq!(failed.error(), Error::Busy);
    drop(reference);
    assert_eq!(failed.into_retired().into_inner().unwrap(), "four");
    assert_eq!(space.remove(id).unwrap_err(), Error::NotFound);
}

#[test]
fn waits_in_guards_are_refused() {
    let space = space();
    let (outer, inner) = (space.read(), space.read());
    drop(outer);
    assert_eq!(space.synchronize(), Err(Error::Deadlock));
    assert_eq!(space.barrier(), Err(Error::Deadlock));
    drop(inner);
    space.synchronize().unwrap();
    space.barrier().unwrap();
}

#[test]
fn sets_own_ids() {
    let space = space();
    let config = SetConfig::new().name("one").token(token(5)).quota(2);
    let one = space.create_set(&config).unwrap();
    assert_eq!(space.create_set(&config).unwrap_err(), Error::Exists);
    let two = space.create_set(&SetConfig::new().reserved(6)).unwrap();
    let id = one.alloc(.., "one's".into()).unwrap();
    assert_eq!(one.alloc(.., "one's".into()).unwrap(), 2);
    assert_eq!(one.alloc(.., "x".into()).unwrap_err().error(), Error::Quota);
    let none = space.alloc(.., "none's".into()).unwrap();
    let full = space.alloc(.., "x".into()).unwrap_err();
    assert_eq!(full.error(), Error::NoSpace);
    assert_eq!(space.reserve_id_in(&one, ..).unwrap_err(), Error::Quota);
    let mut next = 0;
    let found = space.alloc_cyclic_in(&two, &mut next, .., "two's".into());
    assert_eq!(found.unwrap(), (4, false));

    let guard = space.read();
    assert_eq!(guard.find_in(&one, id).unwrap(), "one's");
    assert_eq!(guard.find_in(&two, id), Err(Error::Access));
    let handle = space.handle_in(&one, id).unwrap();
    assert_eq!(space.handle_in(&two, id), Err(Error::Access));
    assert_eq!(guard.find_handle_in(&one, handle).unwrap(), "one's");
    assert_eq!(guard.find_handle_in(&two, handle), Err(Error::Access));
    assert_eq!(two.get(id).unwrap_err(), Error::Access);
    assert_eq!(two.get_handle(handle).unwrap_err(), Error::Access);
    assert_eq!(&*one.get_handle(handle).unwrap(), "one's");
    assert_eq!(two.remove(id).unwrap_err(), Error::Access);
    assert_eq!(guard.iter_in(&one, ..).count(), 2);
    assert!(guard.set_of(none).unwrap().is_none());
    assert_eq!(guard.set_of(9).unwrap_err(), Error::NotFound);
    let view = guard.set_by_token(token(5)).unwrap();
    assert!(view.is(&one) && guard.set_of(id).unwrap().unwrap().is(&one));
    assert_eq!(guard.set_by_token(token(6)).unwrap_err(), Error::NotFound);
    assert_eq!(view.find(id).unwrap(), "one's");
    assert_eq!(view.find(none), Err(Error::Access));
    assert_eq!(view.iter(..).count(), 2);

    let busy = one.destroy().unwrap_err();
    assert_eq!(busy.error(), Error::Busy);
    let one = busy.into_set();
    assert_eq!(one.limit(1, 0), Err(Error::Busy));
    assert_eq!(one.limit(2, 3), Err(Error::Invalid));
    assert_eq!(one.limit(8, 8), Err(Error::NoSpace));
    one.limit(3, 1).unwrap();
    assert_eq!(one.free_all(), 2);
    assert_eq!(one.info().name, "one");
    assert_eq!(one.info().token, Some(token(5)));
    assert_eq!((one.info().quota, one.info().count), (3, 0));
    one.destroy().unwrap();
    // The view finds nothing any more, and is there to say so.
    assert_eq!(view.find(id), Err(Error::NotFound));
    assert_eq!(view.info().unwrap_err(), Error::CrossSpace);
    drop(guard);
    drop(two);
    assert_eq!(space.stats().sets, 1);
    assert_eq!(space.validate(), Ok(()));
    let error = |config| space.create_set(&config).unwrap_err();
    let more = SetConfig::new().quota(1).reserved(2);
    assert_eq!(error(more), Error::Invalid);
    assert_eq!(error(SetConfig::new().name("a\0")), Error::Invalid);
    let long = SetConfig::new().name("0123456789012345678901234567890123");
    assert_eq!(error(long), Error::NameTooLong);
}

#[test]
fn foreign_sets_are_refused() {
    let (here, there) = (space(), space());
    let set = there.create_set(&SetConfig::new()).unwrap();
    let id = here.alloc(.., "here".into()).unwrap();
    let failed = here.alloc_in(&set, .., "x".into()).unwrap_err();
    assert_eq!(failed.error(), Error::CrossSpace);
    let guard = here.read();
    assert_eq!(guard.find_in(&set, id), Err(Error::Access));
    assert_eq!(guard.find_spid(&set, 1), Err(Error::CrossSpace));
    let refused = here.notifier_in(&set, 0, |_| {}).unwrap_err();
    assert_eq!(refused, Error::CrossSpace);
}

#[test]
fn sets_are_many_but_not_too_many() {
    let space: Space<u8> = Space::new().unwrap();
    let mut sets = Vec::new();
    let error = loop {
        match space.create_set(&SetConfig::new()) {
            Ok(set) => sets.push(set),
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::TooManySets);
    assert!(sets.len() >= 255);
    assert_eq!(space.stats().sets as usize, sets.len());
}

#[test]
fn spids_name_ids() {
    let space = space();
    let set = space.create_set(&SetConfig::new()).unwrap();
    let id = set.alloc(.., "one".into()).unwrap();
    let none = space.alloc(.., "none's".into()).unwrap();
    space.spid_attach(id, 77).unwrap();
    assert_eq!(space.spid_attach(id, 78), Err(Error::Busy));
    let second = set.alloc(.., "two".into()).unwrap();
    assert_eq!(space.spid_attach(second, 77), Err(Error::Exists));
    assert_eq!(space.spid_attach(none, 77), Err(Error::Invalid));
    assert_eq!(space.spid_attach(second, u32::MAX), Err(Error::Invalid));
    assert_eq!(space.spid_attach(9, 1), Err(Error::NotFound));
    assert_eq!(space.spid_of(id), Ok(77));
    let guard = space.read();
    assert_eq!(guard.find_spid(&set, 77), Ok((id, &"one".to_string())));
    assert_eq!(guard.find_spid(&set, 78), Err(Error::NotFound));
    let view = guard.set_of(id).unwrap().unwrap();
    assert_eq!(view.find_spid(77).unwrap().0, id);
    space.spid_detach(id).unwrap();
    assert_eq!(space.spid_detach(id), Err(Error::NotFound));
    assert_eq!(space.spid_of(id), Err(Error::NotFound));
}

#[test]
fn notifiers_are_told_in_order() {
    let space = Arc::new(space());
    let told = Arc::new(Mutex::new(Vec::new()));
    let writer = |name| {
        let told = told.clone();
        move |notice: &ioasid::Notice<'_, String>| {
            let value = notice.with(String::clone);
            let event = (name, notice.event(), notice.id(), notice.arg());
            told.lock().unwrap().push((event, value.ok()));
        }
    };
    let low = space.notifier(1, writer("low")).unwrap();
    let high = space.notifier(2, writer("high")).unwrap();
    let id = space.alloc(.., "v".into()).unwrap();
    drop(high);
    space.bind(id, 5).unwrap();
    space.unbind(id, 6).unwrap();
    space.free(id).unwrap();
    assert_eq!(space.bind(id, 0), Err(Error::NotFound));
    assert_eq!(space.stats().notifiers, 1);
    drop(low);
    space.alloc(.., "untold".into()).unwrap();
    let v = || Some("v".to_string());
    let expected = [
        (("high", Event::Alloc, 1, 0), v()),
        (("low", Event::Alloc, 1, 0), v()),
        (("low", Event::Bind, 1, 5), v()),
        (("low", Event::Unbind, 1, 6), v()),
        (("low", Event::Free, 1, 0), None),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
    // The closures are gone, and with them what they had.
    assert_eq!(Arc::strong_count(&told), 1);
}

#[test]
fn notifiers_call_back() {
    let space = Arc::new(space());
    let weak = Arc::downgrade(&space);
    let notifier = space.notifier(0, move |notice| {
        let space = weak.upgrade().unwrap();
        if notice.event() == Event::Alloc && notice.id() < 3 {
            space.alloc(.., "by a notifier".into()).unwrap();
            space.free(notice.id()).unwrap();
        }
    });
    space.alloc(.., "first".into()).unwrap();
    drop(notifier);
    let ids: Vec<_> = space.read().iter(..).map(|(id, _)| id).collect();
    assert_eq!(ids, [3]);
}

#[test]
fn notifiers_of_sets() {
    let space = space();
    let set = space.create_set(&SetConfig::new()).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let other = told.clone();
    let notifier = space
        .notifier_in(&set, 0, move |notice| {
            other.lock().unwrap().push((notice.id(), notice.spid()));
        })
        .unwrap();
    space.alloc(.., "none's".into()).unwrap();
    let id = set.alloc(.., "its".into()).unwrap();
    space.spid_attach(id, 9).unwrap();
    space.free(id).unwrap();
    drop(notifier);
    assert_eq!(*told.lock().unwrap(), [(2, None), (2, Some(9))]);
    // Forgotten, it ends with its set.
    let other = told.clone();
    std::mem::forget(space.notifier_in(&set, 0, move |_| {
        other.lock().unwrap().clear();
    }));
    assert_eq!(Arc::strong_count(&told), 2);
    set.destroy().unwrap();
    assert_eq!(Arc::strong_count(&told), 1);
}

#[test]
fn snapshots_are_restored() {
    let space = space();
    let config = SetConfig::new().name("s").token(token(3)).quota(4);
    let set = space.create_set(&config).unwrap();
    let id = set.alloc(.., "12".into()).unwrap();
    space.spid_attach(id, 40).unwrap();
    space.alloc(.., "13".into()).unwrap();
    let handle = space.handle(id).unwrap();
    let reference = space.get(id).unwrap();
    let number = |_, value: &String| value.parse().unwrap();
    let bytes = space.snapshot(number).unwrap();
    drop(reference);

    let mut second = self::space();
    let decode = |_, number: u64| Ok(number.to_string());
    second.restore(&bytes, decode).unwrap();
    assert_eq!(second.restore(&bytes, decode), Err(Error::Busy));
    assert_eq!(second.read().find_handle(handle).unwrap(), "12");
    assert_eq!(second.snapshot(number).unwrap(), bytes);
    let (second, mut sets) = second.sets();
    let set = sets.pop().unwrap();
    assert!(sets.is_empty());
    assert_eq!((&*set.info().name, set.info().spids), ("s", 1));
    assert_eq!(second.read().find_spid(&set, 40).unwrap().0, id);
    second.free(id).unwrap();
    assert_eq!(second.stats().pending, 1);
    assert_eq!(second.put_restored(id), Ok(true));
    assert_eq!(second.put_restored(id), Err(Error::NotFound));
    set.destroy().unwrap();
}

#[test]
fn restores_fail_whole() {
    let space = space();
    for value in ["5", "6", "7"] {
        space.alloc(.., value.into()).unwrap();
    }
    let number = |_, value: &String| value.parse().unwrap();
    let bytes = space.snapshot(number).unwrap();
    let second = self::space();
    let ok = |_, number: u64| Ok(number.to_string());
    let mut damaged = bytes.clone();
    damaged[20] ^= 1;
    assert_eq!(second.restore(&damaged, ok), Err(Error::BadMessage));
    assert_eq!(second.restore(&bytes[1..], ok), Err(Error::BadMessage));
    let refuse = |_, number| match number {
        7 => Err(Error::Other(1000)),
        _ => Ok(String::new()),
    };
    assert_eq!(second.restore(&bytes, refuse), Err(Error::Other(1000)));
    let narrow: Space<String> = Builder::new().range(1..=2).build().unwrap();
    assert_eq!(narrow.restore(&bytes, ok), Err(Error::Range));
    let small: Space<String> = Builder::new().capacity(2).build().unwrap();
    assert_eq!(small.restore(&bytes, ok), Err(Error::NoSpace));
    assert_eq!(second.stats().live, 0);
    second.restore(&bytes, ok).unwrap();
}

#[test]
fn panics_of_codecs_are_passed_on() {
    let space = space();
    space.alloc(.., "5".into()).unwrap();
    space.alloc(.., "6".into()).unwrap();
    let catch = |func: &mut dyn FnMut()| {
        let func = std::panic::AssertUnwindSafe(func);
        let panic = std::panic::catch_unwind(func).unwrap_err();
        *panic.downcast::<&str>().unwrap()
    };
    let planted = catch(&mut || {
        let _ = space.snapshot(|_, _| panic!("planted"));
    });
    assert_eq!(planted, "planted");
    let bytes = space.snapshot(|id, _| id.into()).unwrap();
    let second = self::space();
    let planted = catch(&mut || {
        let _ = second.restore(&bytes, |id, _| match id {
            2 => panic!("planted"),
            _ => Ok(String::new()),
        });
    });
    assert_eq!(planted, "planted");
    assert_eq!(second.stats().live, 0);
    let planted = catch(&mut || space.dump(|_| panic!("planted")));
    assert_eq!(planted, "planted");
    // The locks are free.
    second.restore(&bytes, |_, _| Ok(String::new())).unwrap();
    space.alloc(.., "7".into()).unwrap();
}

#[test]
fn dumps_are_for_people() {
    let space: Space<u8> = Builder::new().name("mine").build().unwrap();
    space.alloc(5.., 0).unwrap();
    let mut lines = Vec::new();
    space.dump(|line| lines.push(line.to_string()));
    assert!(lines[0].contains("mine"), "{:?}", lines);
    assert!(lines.len() > 1);
}

#[test]
fn local_spaces_hold_anything() {
    use std::{cell::Cell, rc::Rc};
    let value = Rc::new(Cell::new(1));
    let space = LocalSpace::new_local().unwrap();
    let id = space.alloc(.., value.clone()).unwrap();
    let guard = space.read();
    guard.get(id).unwrap().set(2);
    let reference = space.get(id).unwrap();
    space.free(id).unwrap();
    assert_eq!(space.synchronize(), Err(Error::Deadlock));
    drop(guard);
    assert_eq!(reference.get(), 2);
    assert_eq!(Rc::strong_count(&value), 2);
    drop(reference);
    // Without readers there is nothing to wait for.
    assert_eq!(Rc::strong_count(&value), 1);
    space.alloc(.., value.clone()).unwrap();
    drop(space);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn spaces_share_a_domain() {
    let domain = Domain::builder().no_membarrier(true).build().unwrap();
    let builder = Builder::new().domain(&domain);
    let (one, two) = (builder.build::<u8>().unwrap(), builder.build().unwrap());
    let id = two.alloc(.., "value".to_string()).unwrap();
    let guard = one.read();
    assert_eq!(two.synchronize(), Err(Error::Deadlock));
    assert_eq!(domain.synchronize(), Err(Error::Deadlock));
    two.free(id).unwrap();
    assert_eq!(domain.stats().pending, 1);
    drop(guard);
    two.barrier().unwrap();
    assert_eq!(domain.stats().pending, 0);
    drop((one, domain));
    two.alloc(.., "on".to_string()).unwrap();
}

#[test]
fn errors_have_numbers_and_words() {
    let error = Error::from_raw_errno(2);
    assert_eq!(error, Error::NotFound);
    assert_eq!(error.raw_errno(), 2);
    assert_eq!(Error::from_raw_errno(9999), Error::Other(9999));
    assert_eq!(Error::Other(9999).raw_errno(), 9999);
    let io = std::io::Error::from(error);
    assert_eq!(io.kind(), std::io::ErrorKind::NotFound);
    let boxed: Box<dyn std::error::Error> = error.into();
    assert_eq!(boxed.to_string(), "no such ID");
    let failed = space().alloc(20.., String::new()).unwrap_err();
    assert_eq!(failed.to_string(), "no vacant ID or no capacity left");
    assert_eq!(format!("{:?}", failed), "AllocError(NoSpace)");
    assert_eq!(Error::from(failed), Error::NoSpace);
}

#[test]
fn version_is_the_library_s() {
    let header = include_str!("../../ioasid-sys/vendor/ioasid.h");
    let line = format!("#define IOASID_VERSION \"{}\"", ioasid::VERSION);
    assert!(header.contains(&line));
    assert_eq!(env!("CARGO_PKG_VERSION"), ioasid::VERSION);
}

#[test]
fn the_first_of_a_range() {
    let space = space();
    let set = space.create_set(&SetConfig::new()).unwrap();
    space.alloc(3.., "none's".into()).unwrap();
    set.alloc(5.., "its".into()).unwrap();
    let guard = space.read();
    assert_eq!(guard.first(..).unwrap().0, 3);
    assert_eq!(guard.first(4..).unwrap(), (5, &"its".to_string()));
    assert_eq!(guard.first(6..), Err(Error::NotFound));
    assert_eq!(guard.first(3..3), Err(Error::Invalid));
    assert_eq!(guard.first_in(&set, ..).unwrap().0, 5);
    assert_eq!(guard.first_in(&set, ..5), Err(Error::NotFound));
    assert_eq!(guard.first_in(&set, 5..5), Err(Error::Invalid));
}

#[test]
fn spaces_end_or_come_back() {
    let domain = Domain::builder().build().unwrap();
    let builder = Builder::new().domain(&domain);
    let (one, two) = (builder.build::<u8>().unwrap(), builder.build().unwrap());
    let id = two.alloc(.., "value".to_string()).unwrap();
    let guard = one.read();
    let failed = two.destroy().unwrap_err();
    assert_eq!(failed.error(), Error::Deadlock);
    let two = failed.into_space();
    assert_eq!(two.with(id, String::clone).unwrap(), "value");
    two.free(id).unwrap();
    two.alloc(.., "another".to_string()).unwrap();
    drop(guard);
    two.destroy().unwrap();
    one.destroy().unwrap();
}

#[test]
fn no_space_of_the_id_0_alone() {
    let error = Builder::new().range(..1).build::<u8>().unwrap_err();
    assert_eq!(error, Error::Invalid);
}
