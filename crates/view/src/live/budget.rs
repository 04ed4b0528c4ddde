//! What displaying may take: steps a second, and processor time.
//!
//! Of the processor time that the process uses, displaying gets a share. What it took is measured on the clocks of the
//! threads that do it, and has to be made good by `1/share` of it in work before another episode is shown. The work
//! is therefore not slowed by more than that share, on any machine, but for one episode at the beginning: on a slow
//! machine fewer episodes are shown instead. Time in which nothing was shown is not saved up.

use super::clock::Moment;
use std::time::{Duration, Instant};

/// The share of the processor time that displaying may take at [`HZ`]; at a rate N times as high, N times as much.
pub(super) const SHARE: f64 = 0.02;

/// Control steps a second that are shown unless told otherwise.
pub(super) const HZ: f64 = 30.0;

/// Work that may be owed when an episode begins: a step or two of the last one may still be on their way, and would
/// otherwise keep out every other episode of work that is slow enough for all of them.
const SLACK: Duration = Duration::from_millis(250);

/// What a message is thought to take until some have been shown.
const GUESS: Duration = Duration::from_millis(1);

/// Whether another episode may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Affordable,
    /// The rate that was asked for is spent.
    TooFast,
    /// It would take processor time that the work needs.
    TooDear,
}

/// What was spent, and until when.
#[derive(Debug)]
pub(super) struct Budget {
    /// Wall-clock time that a step is worth.
    pace: Duration,
    share: f64,
    /// Until then the rate is spent.
    shown_until: Option<Instant>,
    /// When the process will have used so much, what was displayed is made good.
    owed_until: Duration,
    cost: Duration,
    messages: u32,
    /// Since when time does not count, and how much of it did not before.
    away: Option<Moment>,
    skipped: (Duration, Duration),
}

impl Budget {
    /// For `hz` steps a second.
    pub fn new(hz: f64) -> Self {
        Self {
            pace: Duration::try_from_secs_f64(1.0 / hz).unwrap_or(Duration::ZERO),
            share: SHARE * (hz / HZ).max(1.0),
            shown_until: None,
            owed_until: Duration::ZERO,
            cost: Duration::ZERO,
            messages: 0,
            away: None,
            skipped: (Duration::ZERO, Duration::ZERO),
        }
    }

    /// Whether an episode may begin while so many messages wait for the display.
    pub fn judge(&self, now: Moment, waiting: usize) -> Verdict {
        let now = self.counted(now);
        let near = now.wall + self.pace;
        let coming = self.worth((self.cost + GUESS) / (self.messages + 1) * waiting as u32);
        if self.shown_until.is_some_and(|until| until > near) {
            Verdict::TooFast
        } else if self.owed_until.max(now.work) + coming > now.work + SLACK {
            Verdict::TooDear
        } else {
            Verdict::Affordable
        }
    }

    /// A step is shown.
    pub fn show(&mut self, now: Moment) {
        let now = self.counted(now).wall;
        self.shown_until = Some(self.shown_until.map_or(now, |until| until.max(now)) + self.pace);
    }

    /// A message has been displayed, which took so much processor time.
    pub fn charge(&mut self, cost: Duration, now: Moment) {
        self.messages += 1;
        self.pay(cost, now);
    }

    /// Something else was done for the display's sake.
    pub fn pay(&mut self, cost: Duration, now: Moment) {
        self.cost += cost;
        self.owed_until = self.owed_until.max(self.counted(now).work) + self.worth(cost);
    }

    /// Processor time that displaying has taken so far.
    pub fn cost(&self) -> Duration {
        self.cost
    }

    /// Time does not count from here on.
    pub fn rest(&mut self, now: Moment) {
        self.away.get_or_insert(now);
    }

    pub fn resting(&self) -> bool {
        self.away.is_some()
    }

    /// Time counts again.
    pub fn resume(&mut self, now: Moment) {
        if let Some(away) = self.away.take() {
            self.skipped.0 += now.wall.saturating_duration_since(away.wall);
            self.skipped.1 += now.work.saturating_sub(away.work);
        }
    }

    /// Work that makes good this cost.
    fn worth(&self, cost: Duration) -> Duration {
        Duration::try_from_secs_f64(cost.as_secs_f64() / self.share).unwrap_or(Duration::ZERO)
    }

    /// A moment without the time that does not count.
    fn counted(&self, now: Moment) -> Moment {
        let Moment { wall, work } = self.away.unwrap_or(now);
        let wall = wall.checked_sub(self.skipped.0).unwrap_or(wall);
        Moment { wall, work: work.saturating_sub(self.skipped.1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moments of work on two processors.
    struct Work(Instant);

    impl Work {
        fn at(&self, ms: u64) -> Moment {
            let wall = self.0 + Duration::from_millis(ms);
            Moment { wall, work: Duration::from_millis(2 * ms) }
        }
    }

    /// Plays episodes of 50 steps, `step_ms` of wall-clock time each, for `secs`, on a display that takes `cost` a step.
    /// Gives the times in ms at which one was shown, and the share of the processor time that this took.
    fn play(hz: f64, step_ms: u64, cost: Duration, secs: u64) -> (Vec<u64>, f64) {
        let (mut budget, work) = (Budget::new(hz), Work(Instant::now()));
        let mut shown = Vec::new();
        for start in (0..1000 * secs).step_by(50 * step_ms as usize) {
            if budget.judge(work.at(start), 0) == Verdict::Affordable {
                shown.push(start);
                for step in 0..50 {
                    let now = work.at(start + step * step_ms);
                    budget.show(now);
                    budget.charge(cost, now);
                }
            }
        }
        (shown, budget.cost().as_secs_f64() / (2 * secs) as f64)
    }

    #[test]
    fn the_display_keeps_to_its_share_whatever_it_takes() {
        for micros in [10, 100, 1000, 10_000, 100_000] {
            let (shown, share) = play(HZ, 1, Duration::from_micros(micros), 1000);
            assert_eq!(shown[0], 0, "the first is shown at once");
            // One episode may be more than its share of 1000 s.
            let first = 50.0 * micros as f64 * 1e-6 / 2000.0;
            assert!(share <= SHARE + first, "{micros}: {share}");
            // Where it is cheap, the rate is the limit: 50 steps in 1.67 s.
            match micros {
                10..=1000 => assert!((595..=602).contains(&shown.len()), "{}", shown.len()),
                _ => assert!(share > 0.98 * SHARE, "{micros}: {share}"),
            }
        }
    }

    #[test]
    fn slow_work_is_shown_in_full() {
        // 4 ms of display are worth 200 ms of work; a step is 300 ms of it.
        let (shown, _) = play(HZ, 150, Duration::from_millis(4), 150);
        assert_eq!(shown.len(), 20);
        // On a display that takes twice what it may, every other.
        let (shown, share) = play(HZ, 150, Duration::from_millis(12), 750);
        assert!(
            (45..=55).contains(&shown.len()) && share < 1.05 * SHARE,
            "{} {share}",
            shown.len()
        );
    }

    #[test]
    fn who_asks_for_more_gets_more() {
        let cost = Duration::from_millis(1);
        let counts: Vec<usize> =
            [HZ, 10.0 * HZ, f64::INFINITY].map(|hz| play(hz, 1, cost, 100).0.len()).to_vec();
        assert_eq!(counts[2], 2000, "all");
        assert!(counts[0] > 50 && counts[1] > 8 * counts[0], "{counts:?}");
        // Less than the default costs no more of a share.
        let (shown, share) = play(0.1 * HZ, 1, cost, 100);
        assert!(shown.len() < 8 && share < SHARE, "{} {share}", shown.len());
    }

    #[test]
    fn what_waits_counts_before_it_is_paid() {
        let (mut budget, work) = (Budget::new(HZ), Work(Instant::now()));
        budget.charge(Duration::from_millis(4), work.at(0));
        // 4 ms are 200 ms of work: in time with nothing or one more on its way, not with three.
        let verdicts = [0, 1, 3].map(|waiting| budget.judge(work.at(200), waiting));
        assert_eq!(verdicts, [Verdict::Affordable, Verdict::Affordable, Verdict::TooDear]);
    }

    #[test]
    fn nothing_is_saved_up() {
        let (mut budget, work) = (Budget::new(HZ), Work(Instant::now()));
        budget.charge(Duration::from_millis(10), work.at(3_600_000));
        assert_eq!(budget.judge(work.at(3_600_010), 0), Verdict::TooDear);
    }

    #[test]
    fn a_rest_makes_nothing_good() {
        let (mut budget, work) = (Budget::new(HZ), Work(Instant::now()));
        (0..50).for_each(|_| budget.show(work.at(0)));
        budget.charge(Duration::from_millis(100), work.at(0));
        budget.rest(work.at(10));
        assert!(budget.resting());
        // What is still displayed then counts.
        budget.charge(Duration::from_millis(20), work.at(5000));
        budget.resume(work.at(60_010));
        assert_eq!(budget.judge(work.at(60_020), 0), Verdict::TooFast);
        assert_eq!(budget.judge(work.at(62_000), 0), Verdict::TooDear);
        assert_eq!(budget.judge(work.at(62_800), 0), Verdict::TooDear);
        assert_eq!(budget.judge(work.at(62_900), 0), Verdict::Affordable);
    }
}
