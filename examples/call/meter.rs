//! How far a body is: for the progress bar, and to tell a slow server from a dead one.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::Notify;

/// Clones are the same one.
#[derive(Clone)]
pub(crate) struct Meter {
    shows: bool,
    /// Of what goes on now.
    bar: Arc<Mutex<ProgressBar>>,
    moved: Arc<Notify>,
    waiting: Arc<AtomicBool>,
}

impl Meter {
    /// The bar is on stderr, if that is a terminal. What is small shows none: it would be gone at once.
    pub(crate) fn new(silent: bool) -> Self {
        Self {
            shows: !silent && io::stderr().is_terminal(),
            bar: Arc::new(Mutex::new(ProgressBar::hidden())),
            moved: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Something of that many bytes begins.
    pub(crate) fn begin(&self, what: &'static str, length: u64) {
        const LINE: &str =
            "{msg} {bytes}/{total_bytes} {wide_bar} {binary_bytes_per_sec} {eta} left";
        let target = match self.shows {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        // The template is the program's own: where it were wrong, there is the usual one.
        let style = ProgressStyle::with_template(LINE);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(length), target).with_message(what);
        bar.set_style(style);
        bar.tick();
        *self.bar() = bar;
    }

    pub(crate) fn moved_by(&self, bytes: usize) {
        self.bar().inc(bytes as u64);
        self.moved.notify_one();
    }

    pub(crate) fn end(&self) {
        self.bar().finish_and_clear();
        self.moved.notify_one();
    }

    fn bar(&self) -> MutexGuard<'_, ProgressBar> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until some of the body has moved.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }

    /// Whether it is the input that keeps everybody waiting.
    pub(crate) fn waits_for_input(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn set_waiting(&self, waiting: bool) {
        self.waiting.store(waiting, Ordering::Relaxed);
    }
}
