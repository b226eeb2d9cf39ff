//! The mandatory window: a request prefers a newer token, for a while.

use std::future::pending;
use std::sync::Mutex;

use tokio::time::sleep;

use super::*;

/// Of which the last 100 s are mandatory, with [`WINDOW`].
const LIFETIME: Duration = Duration::from_secs(1000);
const WINDOW: Duration = Duration::from_secs(100);

/// A cache whose token is as old as that; the second load does what `second` says.
async fn aged<Fut>(
    loads: &Loads,
    age: Duration,
    second: impl Fn() -> Fut + Send + Sync + 'static,
) -> Cached<Source>
where
    Fut: Future<Output = Answer> + Send + 'static,
{
    let builder = loads.builder(move |number| {
        let second = (number == 2).then(&second);
        async move {
            match second {
                Some(second) => second.await,
                None => lasting(number, LIFETIME),
            }
        }
    });
    let cache = builder.mandatory_window(WINDOW).build().expect("a cache");
    cache.prefetch().await.expect("a token");
    sleep(age).await;
    cache
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_the_next_token() {
    let loads = Loads::default();
    let cache = aged(&loads, LIFETIME - 50 * SECOND, || async {
        sleep(3 * SECOND).await;
        lasting(2, LIFETIME)
    });
    let cache = cache.await;
    let crowd = futures::future::join_all((0..100).map(|_| ask(&cache)));
    for (answer, waited) in crowd.await {
        assert_eq!(answer.expect("a token"), "token-2");
        assert_about(waited, 3 * SECOND);
    }
    assert_eq!(loads.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn they_use_what_they_have_if_the_refresh_fails() {
    for transient in [true, false] {
        let loads = Loads::default();
        let cache = aged(&loads, LIFETIME - 50 * SECOND, move || async move {
            sleep(3 * SECOND).await;
            match transient {
                true => down(2),
                false => Err(AuthError::terminal("revoked").into()),
            }
        });
        let cache = cache.await;
        let crowd = futures::future::join_all((0..100).map(|_| ask(&cache)));
        for (answer, waited) in crowd.await {
            assert_eq!(answer.expect("a token"), "token-1");
            assert_about(waited, 3 * SECOND);
        }
        assert_eq!(loads.begun(), 2);
        assert_eq!(cache.status().failures, 1);
        // A refusal holds; what may pass is tried again at once.
        let next = if transient { "token-3" } else { "token-1" };
        assert_eq!(ask(&cache).await.0.expect("a token"), next);
        sleep(2 * SECOND).await;
        assert_eq!(ask(&cache).await.0.expect("a token"), "token-3");
    }
}

/// Five seconds by default; for one load, whenever they came.
#[tokio::test(start_paused = true)]
async fn they_use_what_they_have_if_the_refresh_hangs() {
    for (set, wait) in [(None, 5), (Some(8), 8), (Some(2), 2)] {
        let loads = Loads::default();
        let builder = loads.builder(|number| async move {
            if number > 1 {
                pending::<()>().await;
            }
            lasting(number, LIFETIME)
        });
        let mut builder = builder.mandatory_window(WINDOW);
        if let Some(wait) = set {
            builder = builder.mandatory_wait(wait * SECOND);
        }
        let cache = builder.build().expect("a cache");
        cache.prefetch().await.expect("a token");
        sleep(LIFETIME - 90 * SECOND).await;
        let arrive = |after: Duration| {
            let cache = &cache;
            async move {
                sleep(after).await;
                ask(cache).await
            }
        };
        let wait = wait * SECOND;
        let (first, later, last, too_late, much_too_late) = tokio::join!(
            arrive(Duration::ZERO),
            arrive(wait / 2),
            arrive(wait - 100 * MILLISECOND),
            arrive(wait + 100 * MILLISECOND),
            arrive(29 * SECOND),
        );
        for ((answer, waited), expected) in [
            (first, wait),
            (later, wait / 2),
            (last, 100 * MILLISECOND),
            (too_late, Duration::ZERO),
            (much_too_late, Duration::ZERO),
        ] {
            assert_eq!(answer.expect("a token"), "token-1");
            assert_about(waited, expected);
        }
        assert_eq!(loads.begun(), 2);
        // The next load is waited for as well.
        sleep(2 * SECOND).await;
        let (answer, waited) = ask(&cache).await;
        assert_eq!(answer.expect("a token"), "token-1");
        assert_about(waited, wait);
        assert_eq!(loads.begun(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_zero_is_no_wait() {
    let loads = Loads::default();
    let builder = loads.builder(|number| async move {
        sleep(SECOND).await;
        lasting(number, LIFETIME)
    });
    let builder = builder.mandatory_window(WINDOW);
    let cache = builder.mandatory_wait(Duration::ZERO).build();
    let cache = cache.expect("a cache");
    cache.prefetch().await.expect("a token");
    sleep(LIFETIME - 50 * SECOND).await;
    assert_eq!(warm(&cache), "token-1");
    sleep(2 * SECOND).await;
    assert_eq!(warm(&cache), "token-2");
}

/// A refresh that began in the advisory window is waited for from the mandatory one on.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_began_before_counts_from_the_window_on() {
    let loads = Loads::default();
    let second = || async {
        pending::<()>().await;
        down(2)
    };
    let cache = aged(&loads, LIFETIME - WINDOW - 10 * SECOND, second).await;
    assert_eq!(warm(&cache), "token-1", "which begins it");
    settle().await;
    assert_eq!(loads.begun(), 2);
    sleep(12 * SECOND).await;
    let (answer, waited) = ask(&cache).await;
    assert_eq!(answer.expect("a token"), "token-1");
    assert_about(waited, 3 * SECOND);
    assert_eq!(warm(&cache), "token-1");
    assert_eq!(loads.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn near_the_end_they_wait_for_half_of_what_is_left() {
    for left in [6 * SECOND, SECOND, 50 * MILLISECOND] {
        let loads = Loads::default();
        let second = || async {
            pending::<()>().await;
            down(2)
        };
        let cache = aged(&loads, LIFETIME - left, second).await;
        let (answer, waited) = ask(&cache).await;
        assert_eq!(answer.expect("a token"), "token-1");
        assert_about(waited, left / 2);
    }
}

/// At the very end: a wait that would end after the token is one for the next.
#[tokio::test(start_paused = true)]
async fn what_ended_meanwhile_is_not_sent() {
    let loads = Loads::default();
    let second = || async {
        sleep(10 * SECOND).await;
        lasting(2, LIFETIME)
    };
    let cache = aged(&loads, LIFETIME - MILLISECOND, second).await;
    let call = cache.token(); // is late to be polled
    sleep(2 * SECOND).await;
    assert_eq!(call.await.expect("a token").expose(), "token-2");
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Requests at random moments, over a source that is slow, fails, or hangs at random: nothing that is
/// over is sent, and what is not is not waited for beyond the setting.
#[tokio::test(start_paused = true)]
async fn at_random_nothing_is_sent_after_its_end() {
    const REQUESTS: usize = 20_000;
    const LIFE: Duration = Duration::from_secs(60); // the last 6 s are mandatory
    const WAIT: Duration = Duration::from_secs(2);
    let begins: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let random = Arc::new(Mutex::new(Random(0x5eed)));
    let loads = Loads::default();
    let cache = {
        let begins = Arc::clone(&begins);
        let random = Arc::clone(&random);
        loads.builder(move |number| {
            begins.lock().expect("no panic").push(Instant::now());
            let mut random = random.lock().expect("no panic");
            let delay = Duration::from_millis(random.below(8_000));
            let fate = random.below(6);
            async move {
                if fate == 0 {
                    pending::<()>().await;
                }
                sleep(delay).await;
                match fate {
                    1 | 2 => down(number),
                    _ => lasting(number, LIFE),
                }
            }
        })
    };
    let cache = cache.mandatory_wait(WAIT).build().expect("a cache");
    let (mut tokens, mut errors, mut waits) = (0, 0, 0);
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS {
        let pause = random.lock().expect("no panic").below(1_000);
        sleep(Duration::from_millis(pause)).await;
        let (cache, begins) = (cache.clone(), Arc::clone(&begins));
        requests.spawn(async move {
            let left = cache.status().expires_in.filter(|left| !left.is_zero());
            let (answer, waited) = ask(&cache).await;
            if let Some(left) = left {
                assert!(answer.is_ok(), "there was a token");
                let most = match left > LIFE / 10 {
                    true => Duration::ZERO,
                    false => WAIT.min(left / 2) + 2 * MILLISECOND,
                };
                assert!(waited <= most, "{waited:?} of {most:?}");
            } else {
                assert!(waited <= 30 * SECOND + 2 * MILLISECOND, "{waited:?}");
            }
            let token = answer.ok()?;
            let number = token.strip_prefix("token-").expect("one of ours");
            let number: usize = number.parse().expect("a number");
            let age = begins.lock().expect("no panic")[number - 1].elapsed();
            assert!(age < LIFE, "{token} is over");
            Some(waited)
        });
    }
    while let Some(answer) = requests.join_next().await {
        match answer.expect("no panic") {
            Some(waited) => {
                tokens += 1;
                waits += usize::from(!waited.is_zero());
            }
            None => errors += 1,
        }
    }
    // Or it was too kind a source.
    assert!(tokens > REQUESTS / 2, "{tokens} tokens, {errors} errors");
    assert!(waits > 100, "{waits} waited for a token");
    assert!(errors > 0, "there was always a token");
}
