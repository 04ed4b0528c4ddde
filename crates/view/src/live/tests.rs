use super::*;
use housecat_core::PlanTrace;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what it is shown, and takes its time.
#[derive(Clone, Default)]
struct Slow {
    takes: Duration,
    begun: Arc<AtomicU64>,
    steps: Arc<AtomicU64>,
    plans: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
    overruns: Arc<AtomicU64>,
    metrics: Arc<AtomicU64>,
}

impl Display for Slow {
    fn show(&mut self, message: Message<Self>) {
        std::thread::sleep(self.takes);
        let counter = match &message {
            Message::Begin(_) => &self.begun,
            Message::Step(step) => {
                self.plans.fetch_add(u64::from(step.plan.is_some()), Ordering::SeqCst);
                &self.steps
            }
            Message::End(_) => &self.ended,
            Message::Metrics(..) => &self.metrics,
            Message::Overrun => &self.overruns,
            Message::Adjust(_) => return,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    fn finish(self) -> Result<(), ViewError> {
        Ok(())
    }
}

fn step(plan: bool) -> StepRecord {
    StepRecord {
        step: 0,
        time_secs: 0.0,
        observation: Default::default(),
        poses: Vec::new(),
        state: Default::default(),
        action: Vec::new(),
        transition: Default::default(),
        goal_errors: Vec::new(),
        plan: plan.then(PlanTrace::default),
    }
}

fn seen(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

#[test]
fn a_slow_display_does_not_hold_up_the_work_and_what_it_misses_is_counted() {
    let slow = Slow { takes: Duration::from_millis(5), ..Slow::default() };
    let watched = Watched::new(slow.clone(), f64::INFINITY);
    let started = Instant::now();
    assert!(watched.queue.begin(&EpisodeHeader::default()));
    // All of it would take the display 20 s.
    (0..4000).for_each(|_| watched.queue.step(&step(false), Instant::now()));
    watched.queue.end(Some(&EpisodeSummary::default()));
    let worked = started.elapsed();
    assert!(worked < Duration::from_secs(2), "{worked:?}");
    let (count, outcome) = watched.finish();
    outcome.unwrap();
    assert_eq!(count.shown + count.dropped, 4000, "{count:?}");
    assert_eq!((count.shown, count.thinned), (seen(&slow.steps), 0));
    assert!(count.dropped > 3000, "{count:?}");
    assert_eq!(seen(&slow.overruns), 1, "it is said once");
    assert!(started.elapsed() < Duration::from_secs(5), "the queue was not bounded");
}

#[test]
fn the_rate_is_kept_and_recovers() {
    let pace = Duration::from_millis(100);
    let queue = Queue::<Slow>::new(pace);
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    assert!(queue.begin(&EpisodeHeader::default()));
    // Ten a second of a hundred a second, and a plan between them.
    (0..100).for_each(|index| queue.step(&step(index == 5), at(10 * index)));
    assert_eq!(queue.count(), Shown { shown: 11, thinned: 89, dropped: 0 });
    while queue.count().dropped == 0 {
        queue.metrics(0, &[]);
    }
    // It is full: half the rate from now on, until it is empty again.
    let before = queue.count();
    queue.step(&step(false), at(1150));
    assert_eq!(queue.count().dropped, before.dropped + 1);
    queue.close();
    for ms in [1350, 1550, 1650] {
        while queue.take().is_some() {}
        queue.step(&step(false), at(ms - 1));
        queue.step(&step(false), at(ms));
    }
    // Each came when it was due, and a moment before it was not; the last time because of the rate that was asked for.
    let after = queue.count();
    let (shown, dropped) = (after.shown - before.shown, after.dropped - before.dropped);
    assert_eq!((shown, dropped, after.thinned - before.thinned), (3, 3, 1), "{after:?}");
}

#[test]
fn one_episode_is_on_stage_and_leaves_it_even_without_an_end() {
    let display = Slow::default();
    let watched = Watched::new(display.clone(), 1e9);
    let queue = &watched.queue;
    assert!(queue.begin(&EpisodeHeader::default()));
    assert!(!queue.begin(&EpisodeHeader::default()));
    queue.end(None);
    assert!(queue.begin(&EpisodeHeader::default()));
    queue.step(&step(true), Instant::now());
    queue.end(Some(&EpisodeSummary::default()));
    queue.metrics(3, &[("train/loss".into(), 1.0)]);
    let (count, outcome) = watched.finish();
    outcome.unwrap();
    assert_eq!((seen(&display.begun), seen(&display.ended), seen(&display.plans)), (2, 1, 1));
    assert_eq!((seen(&display.metrics), count.shown), (1, 2));
    assert!(!queue.begin(&EpisodeHeader::default()), "nothing is taken after the end");
}
