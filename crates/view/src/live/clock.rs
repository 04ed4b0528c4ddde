//! Clocks of processor time.

use std::time::{Duration, Instant};

/// A moment of the work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// On the wall.
    pub wall: Instant,
    /// Processor time that this process has used, all threads together.
    pub work: Duration,
}

impl Moment {
    pub fn now() -> Self {
        Self { wall: Instant::now(), work: processor_time() }
    }
}

/// Processor time that this process has used, all threads together.
pub fn processor_time() -> Duration {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Processor time that the calling thread has used.
pub(super) fn of_thread() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer, and nothing else is written. Of a clock that a system lacks it
    // stays 0: displaying is then free, and only the rate limits it.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_and_sleep_is_not() {
        let (thread, process) = (of_thread(), processor_time());
        std::thread::sleep(Duration::from_millis(20));
        assert!(of_thread() - thread < Duration::from_millis(15));
        while of_thread() - thread < Duration::from_millis(20) {
            std::hint::black_box(0);
        }
        // Ticks of the two clocks need not coincide.
        assert!(processor_time() - process > Duration::from_millis(15));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_has_the_time_that_the_kernel_says_in_words() {
        let told = || {
            let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
            Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
        };
        // Not every kernel tells.
        if let (Some(before), time, Some(after)) = (told(), of_thread(), told()) {
            let slack = Duration::from_millis(10);
            assert!(
                before <= time + slack && time <= after + slack,
                "{before:?} {time:?} {after:?}"
            );
        }
    }
}
