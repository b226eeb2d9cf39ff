//! An allocator that counts, and looks into what is given back.
//!
//! Everything is kept per thread, so that tests beside each other do not see each other.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

pub(super) struct Meter;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static WATCHED: Cell<&'static [u8]> = const { Cell::new(&[]) };
    static SPILLED: Cell<usize> = const { Cell::new(0) };
}

// `realloc` and `alloc_zeroed` are the provided ones, which come back here: a block that moves is
// then seen like any other that is given back.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has nothing to count with any more.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        let _ = LIVE.try_with(|live| {
            live.set(live.get() + layout.size() as isize);
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
        });
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let _ = LIVE.try_with(|live| live.set(live.get() - layout.size() as isize));
        let watched = WATCHED.try_with(Cell::get).unwrap_or_default();
        if !watched.is_empty() && unsafe { holds(block, layout.size(), watched) } {
            let _ = SPILLED.try_with(|spilled| spilled.set(spilled.get() + 1));
        }
        unsafe { System.dealloc(block, layout) }
    }
}

/// Whether a block holds `text`. It is still allocated, but parts of it may never have been written,
/// which is why the compiler must not be told that these are ordinary reads.
unsafe fn holds(block: *const u8, size: usize, text: &[u8]) -> bool {
    (0..(size + 1).saturating_sub(text.len())).any(|start| {
        let at = |offset| unsafe { block.add(start + offset).read_volatile() };
        text.iter()
            .enumerate()
            .all(|(offset, byte)| at(offset) == *byte)
    })
}

/// How many allocations `work` makes, and how much more memory it holds at its worst.
pub(super) fn measure<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let (count, live) = (COUNT.get(), LIVE.get());
    PEAK.set(live);
    let output = work();
    (output, COUNT.get() - count, (PEAK.get() - live) as usize)
}

/// How many blocks are given back with `text` in them while `work` runs.
pub(super) fn spilled<T>(text: &'static str, work: impl FnOnce() -> T) -> usize {
    SPILLED.set(0);
    WATCHED.set(text.as_bytes());
    drop(work());
    WATCHED.set(&[]);
    SPILLED.get()
}
