// SPDX-License-Identifier: MIT
//! Every value is dropped exactly once, whatever way it takes.

use ioasid::{Builder, Domain, Error, LocalSpace, SetConfig, Space, Store};
use std::{
    env, process,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc, Arc, Mutex,
    },
    thread,
};

/// How often each of some values was dropped.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Vec<usize>>>);

struct Value {
    number: usize,
    ledger: Ledger,
}

impl Ledger {
    fn value(&self) -> Value {
        let mut drops = self.0.lock().unwrap();
        drops.push(0);
        Value { number: drops.len() - 1, ledger: self.clone() }
    }

    fn dropped(&self) -> usize {
        self.0.lock().unwrap().iter().sum()
    }

    /// All of so many, each once.
    fn check(&self, count: usize) {
        assert_eq!(self.0.lock().unwrap().len(), count);
        assert_eq!(self.wrong(), []);
    }

    /// Those that were not dropped once.
    fn wrong(&self) -> Vec<usize> {
        let drops = self.0.lock().unwrap();
        (0..drops.len()).filter(|&number| drops[number] != 1).collect()
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.ledger.0.lock().unwrap()[self.number] += 1;
    }
}

#[test]
fn a_ledger_notices() {
    let ledger = Ledger::default();
    let value = ledger.value();
    assert_eq!(ledger.wrong(), [0]);
    drop(value);
    assert_eq!(ledger.wrong(), []);
    drop(Value { number: 0, ledger: ledger.clone() });
    assert_eq!(ledger.wrong(), [0]);
}

#[test]
fn by_every_way_out() {
    for store in [Store::Radix, Store::Bitmap, Store::Hash] {
        let ledger = Ledger::default();
        let space: Space<Value> =
            Builder::new().range(..100).store(store).build().unwrap();
        let add = || space.alloc(.., ledger.value()).unwrap();
        space.free(add()).unwrap();
        let handle = space.handle(add()).unwrap();
        space.free_handle(handle).unwrap();
        drop(space.remove(add()).unwrap());
        drop(space.remove(add()).unwrap().into_inner().unwrap());
        let id = add();
        drop(space.exchange(id, ledger.value()).unwrap());
        space.set_data(id, ledger.value()).unwrap();
        drop(space.alloc_owned(.., ledger.value()).unwrap());
        let reserved = space.reserve_id(..).unwrap();
        reserved.publish(ledger.value()).unwrap();
        let set = space.create_set(&SetConfig::new()).unwrap();
        set.alloc(.., ledger.value()).unwrap();
        set.free_all();
        add();
        space.free_all();
        space.barrier().unwrap();
        ledger.check(11);
        // Kept by references, put back by failures, and left to the end.
        let reference = space.get(add()).unwrap();
        space.free(reference.id()).unwrap();
        space.barrier().unwrap();
        assert_eq!(ledger.dropped(), 11);
        drop(reference);
        let reference = space.get(add()).unwrap();
        drop(space.exchange(reference.id(), ledger.value()).unwrap());
        drop(reference);
        drop(space.alloc(200.., ledger.value()).unwrap_err());
        drop(space.exchange(99, ledger.value()).err().unwrap());
        drop(space.set_data(99, ledger.value()).unwrap_err());
        drop(space.alloc_owned(200.., ledger.value()).unwrap_err());
        add();
        drop(set);
        drop(space);
        ledger.check(19);
    }
}

#[test]
fn not_before_guards_end() {
    let ledger = Ledger::default();
    let space: Space<Value> = Space::new().unwrap();
    let id = space.alloc(.., ledger.value()).unwrap();
    thread::scope(|scope| {
        let (held, is_held) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let (space, ledger) = (&space, &ledger);
        scope.spawn(move || {
            let guard = space.read();
            let value = guard.get(id).unwrap();
            held.send(()).unwrap();
            may_go.recv().unwrap();
            assert_eq!(value.ledger.dropped(), 0);
        });
        is_held.recv().unwrap();
        space.free(id).unwrap();
        for _ in 0..100 {
            let other = space.alloc(.., ledger.value()).unwrap();
            space.free(other).unwrap();
        }
        assert_eq!(ledger.dropped(), 0);
        go.send(()).unwrap();
        space.barrier().unwrap();
    });
    ledger.check(101);
}

#[test]
fn nothing_is_lost_at_the_limit() {
    let ledger = Ledger::default();
    let domain = Domain::builder().pending_limit(8).build().unwrap();
    let space: Space<Value> = Builder::new().domain(&domain).build().unwrap();
    for round in 0..2 {
        let guard = space.read();
        for _ in 0..100 {
            let id = space.alloc(.., ledger.value()).unwrap();
            space.free(id).unwrap();
        }
        assert!(domain.stats().pending <= 9);
        assert_eq!(ledger.dropped(), round * 100);
        drop(guard);
        if round == 0 {
            space.barrier().unwrap();
            ledger.check(100);
        }
    }
    drop(space);
    ledger.check(200);
}

#[test]
fn by_a_reclaimer() {
    let ledger = Ledger::default();
    let domain = Domain::builder().reclaimer(true).build().unwrap();
    let space: Space<Value> = Builder::new().domain(&domain).build().unwrap();
    for _ in 0..100 {
        space.free(space.alloc(.., ledger.value()).unwrap()).unwrap();
    }
    for _ in 0..1000 {
        if ledger.dropped() == 100 {
            break;
        }
        thread::sleep(std::time::Duration::from_millis(5));
    }
    ledger.check(100);
}

#[test]
fn with_failed_restores() {
    let ledger = Ledger::default();
    let space: Space<Value> = Space::new().unwrap();
    for _ in 0..3 {
        space.alloc(.., ledger.value()).unwrap();
    }
    let bytes = space.snapshot(|id, _| id.into()).unwrap();
    let second: Space<Value> = Space::new().unwrap();
    let refuse = |id, _| match id {
        2 => Err(Error::Range),
        _ => Ok(ledger.value()),
    };
    assert_eq!(second.restore(&bytes, refuse), Err(Error::Range));
    assert_eq!(ledger.dropped(), 2);
    second.restore(&bytes, |_, _| Ok(ledger.value())).unwrap();
    drop((space, second));
    ledger.check(8);
}

/// Values whose drop uses the space they were in.
#[test]
fn drops_call_back() {
    struct Chain(Arc<Space<Chain>>, usize, Ledger, Value);
    impl Drop for Chain {
        fn drop(&mut self) {
            assert!(self.3.number < 21);
            assert_eq!(self.0.synchronize(), Ok(()));
            assert_eq!(self.0.barrier(), Err(Error::Deadlock));
            if self.1 != 0 {
                let (space, ledger) = (self.0.clone(), self.2.clone());
                let value = ledger.value();
                let next = Chain(space, self.1 - 1, ledger, value);
                let id = self.0.alloc(.., next).unwrap_or_else(|_| panic!());
                self.0.free(id).unwrap();
            }
        }
    }
    let ledger = Ledger::default();
    let space = Arc::new(Space::new().unwrap());
    let first = Chain(space.clone(), 20, ledger.clone(), ledger.value());
    space.free(space.alloc(.., first).unwrap()).unwrap();
    while ledger.dropped() < 21 {
        space.barrier().unwrap();
    }
    ledger.check(21);
    assert_eq!(Arc::strong_count(&space), 1);
}

#[test]
fn spaces_put_aside_end_later() {
    let ledger = Ledger::default();
    let domain = Domain::builder().build().unwrap();
    let builder = Builder::new().domain(&domain);
    let (one, two): (Space<Value>, Space<Value>) =
        (builder.build().unwrap(), builder.build().unwrap());
    let id = two.alloc(.., ledger.value()).unwrap();
    two.alloc(.., ledger.value()).unwrap();
    let guard = one.read();
    two.free(id).unwrap();
    drop(two);
    assert_eq!(ledger.dropped(), 0);
    assert!(ioasid::reclaim() >= 1);
    drop(guard);
    drop(one);
    // Tests beside this one may be at it.
    while ledger.dropped() < 2 {
        ioasid::reclaim();
    }
    ledger.check(2);
}

/// The last owner of a space is a value in another one's domain.
#[test]
fn spaces_in_values_end() {
    let ledger = Ledger::default();
    let domain = Domain::builder().build().unwrap();
    let builder = Builder::new().domain(&domain);
    let outer: Space<Space<Value>> = builder.build().unwrap();
    let inner: Space<Value> = builder.build().unwrap();
    inner.alloc(.., ledger.value()).unwrap();
    outer.free(outer.alloc(.., inner).unwrap()).unwrap();
    outer.barrier().unwrap();
    while ledger.dropped() < 1 {
        ioasid::reclaim();
    }
    ledger.check(1);
}

#[test]
fn in_local_spaces() {
    let ledger = Ledger::default();
    let space = LocalSpace::new_local().unwrap();
    let first = space.alloc(.., ledger.value()).unwrap();
    let second = space.alloc(.., ledger.value()).unwrap();
    space.alloc(.., ledger.value()).unwrap();
    space.free(first).unwrap();
    assert_eq!(ledger.dropped(), 1);
    let guard = space.read();
    space.free(second).unwrap();
    assert_eq!(ledger.dropped(), 1);
    drop(guard);
    space.barrier().unwrap();
    assert_eq!(ledger.dropped(), 2);
    drop(space);
    ledger.check(3);
    // Dropped inside of a section it is leaked, with what is in it.
    let space = LocalSpace::new_local().unwrap();
    space.alloc(.., ledger.value()).unwrap();
    std::mem::forget(space.read());
    drop(space);
    assert_eq!(ledger.dropped(), 3);
}

#[test]
fn by_threads_that_free_the_same() {
    let ledger = Ledger::default();
    let space: Space<Value> = Builder::new().range(..4).build().unwrap();
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..4u32 {
            let (space, ledger, count) = (&space, &ledger, &count);
            scope.spawn(move || {
                for step in 0..3000u32 {
                    let id = step.wrapping_mul(7).wrapping_add(thread) % 4;
                    match step % 5 {
                        0 => {
                            let _ = space.free(id);
                        }
                        1 => drop(space.exchange(id, {
                            count.fetch_add(1, Ordering::Relaxed);
                            ledger.value()
                        })),
                        2 => drop(space.get(id)),
                        3 => {
                            let handle = space.handle(id);
                            let _ = handle.and_then(|h| space.free_handle(h));
                        }
                        _ => drop(space.alloc(.., {
                            count.fetch_add(1, Ordering::Relaxed);
                            ledger.value()
                        })),
                    }
                }
            });
        }
    });
    drop(space);
    ledger.check(count.into_inner());
}

/// Runs a test of this program in a process of its own, with a variable set.
fn alone(test: &str) -> process::Output {
    process::Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("IOASID_ALONE", "1")
        .output()
        .unwrap()
}

fn is_alone() -> bool {
    env::var_os("IOASID_ALONE").is_some()
}

/// What was found in a guard that its thread left open stays, though the
/// thread is gone: from then on nothing is dropped.
#[test]
fn forgotten_guards_outlive_threads() {
    if !is_alone() {
        let output = alone("forgotten_guards_outlive_threads");
        assert!(output.status.success(), "{:?}", output);
        return;
    }
    let ledger = Ledger::default();
    let space: &'static Space<Value> =
        Box::leak(Box::new(Space::new().unwrap()));
    let id = space.alloc(.., ledger.value()).unwrap();
    // Forgotten by a thread that goes on, it holds the grace period up.
    let (sender, receiver) = mpsc::channel();
    let (end, may_end) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let guard = Box::leak(Box::new(space.read()));
        let value: &'static Value = guard.get(id).unwrap();
        sender.send(value).unwrap();
        may_end.recv().unwrap();
    });
    let value = receiver.recv().unwrap();
    space.free(id).unwrap();
    end.send(()).unwrap();
    thread.join().unwrap();
    // Its section has ended with it; the value is there all the same.
    space.barrier().unwrap();
    assert_eq!(ledger.dropped(), 0);
    assert_eq!(value.number, 0);
    // Nor can one be had that it might have found.
    let other = space.alloc(.., ledger.value()).unwrap();
    let retired = space.remove(other).unwrap();
    let error = retired.into_inner().map(drop).unwrap_err().error();
    assert_eq!(error, Error::Busy);
    // So are all from now on.
    space.free(space.alloc(.., ledger.value()).unwrap()).unwrap();
    space.barrier().unwrap();
    assert_eq!(ledger.dropped(), 0);
}

/// Guards of destructors of thread-local variables, in either order.
#[test]
fn guards_in_destructors() {
    if !is_alone() {
        let output = alone("guards_in_destructors");
        assert!(output.status.success(), "{:?}", output);
        return;
    }
    struct Late(Option<ioasid::Guard<'static, u8>>, &'static Space<u8>);
    impl Drop for Late {
        fn drop(&mut self) {
            assert_eq!(self.0.take().unwrap().get(0), Some(&7));
            assert_eq!(self.1.read().get(0), Some(&7));
        }
    }
    thread_local! {
        // Clippy looks at the constant that it starts from.
        #[allow(clippy::declare_interior_mutable_const)]
        static LATE: std::cell::RefCell<Option<Late>> =
            const { std::cell::RefCell::new(None) };
    }
    let space: &'static Space<u8> = Box::leak(Box::new(Space::new().unwrap()));
    space.alloc(.., 7).unwrap();
    for first in [false, true] {
        thread::spawn(move || {
            if first {
                drop(space.read());
            }
            LATE.with(|late| {
                late.replace(Some(Late(Some(space.read()), space)));
            });
        })
        .join()
        .unwrap();
    }
    let ledger = Ledger::default();
    let other: Space<Value> = Space::new().unwrap();
    other.free(other.alloc(.., ledger.value()).unwrap()).unwrap();
    other.barrier().unwrap();
    ledger.check(1);
}

/// A guard is forgotten, and its space dropped on the same thread.
#[test]
fn spaces_of_forgotten_guards() {
    if !is_alone() {
        let output = alone("spaces_of_forgotten_guards");
        assert!(output.status.success(), "{:?}", output);
        return;
    }
    let ledger = Ledger::default();
    let space: Space<Value> = Space::new().unwrap();
    space.alloc(.., ledger.value()).unwrap();
    std::mem::forget(space.read());
    drop(space);
    assert_eq!(ioasid::reclaim(), 1);
    assert_eq!(ledger.dropped(), 0);
}

#[test]
fn panics_in_drops_abort() {
    if !is_alone() {
        let output = alone("panics_in_drops_abort");
        assert!(!output.status.success(), "{:?}", output);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(words.contains("planted"), "{}", words);
        assert!(words.contains("callback of the library"), "{}", words);
        assert!(!words.contains("went on"), "{}", words);
        return;
    }
    struct Planted;
    impl Drop for Planted {
        fn drop(&mut self) {
            panic!("planted");
        }
    }
    let space: Space<Planted> = Space::new().unwrap();
    space.free(space.alloc(.., Planted).unwrap()).unwrap();
    let barrier = || space.barrier();
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(barrier));
    eprintln!("went on");
    process::exit(0);
}

#[test]
fn panics_in_notifiers_abort() {
    if !is_alone() {
        let output = alone("panics_in_notifiers_abort");
        assert!(!output.status.success(), "{:?}", output);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(words.contains("planted"), "{}", words);
        assert!(!words.contains("went on"), "{}", words);
        return;
    }
    let space: Space<u8> = Space::new().unwrap();
    let _notifier = space.notifier(0, |_| panic!("planted")).unwrap();
    let alloc = || drop(space.alloc(.., 0));
    drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(alloc)));
    eprintln!("went on");
    process::exit(0);
}

/// What a panic was given, whose drop panics too.
struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("a payload");
        }
    }
}

struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        std::panic::panic_any(Payload);
    }
}

#[test]
fn of_two_panics_of_a_restore_the_first_goes_on() {
    let from = Space::<u8>::new().unwrap();
    for id in 0..3 {
        from.alloc(.., id).unwrap();
    }
    let bytes = from.snapshot(|_, &value| u64::from(value)).unwrap();
    let space = Space::<Panics>::new().unwrap();
    let decode = |id, _| match id {
        2 => panic!("the first"),
        _ => Ok(Panics),
    };
    let restore = || space.restore(&bytes, decode);
    let panic = std::panic::catch_unwind(restore).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the first"));
    assert_eq!(space.stats().live, 0);
}
