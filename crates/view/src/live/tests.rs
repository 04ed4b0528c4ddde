use super::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Counts what it is shown, and takes its time.
#[derive(Clone, Default)]
struct Slow {
    takes: Duration,
    begun: Arc<AtomicU64>,
    steps: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
    overruns: Arc<AtomicU64>,
    metrics: Arc<AtomicU64>,
    released: Arc<AtomicU64>,
}

impl Display for Slow {
    fn show(&mut self, message: Message<Self>) {
        std::thread::sleep(self.takes);
        let counter = match &message {
            Message::Begin(_) => &self.begun,
            Message::Step(_) => &self.steps,
            Message::End(_) => &self.ended,
            Message::Metrics(..) => &self.metrics,
            Message::Overrun => &self.overruns,
            Message::Adjust(_) | Message::Thrift => return,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    fn patience(&self) -> Option<Duration> {
        (seen(&self.steps) > seen(&self.released)).then_some(Duration::from_millis(1))
    }

    fn release(&mut self) {
        self.released.store(seen(&self.steps), Ordering::SeqCst);
    }

    fn weight(&self) -> f64 {
        1.0
    }

    fn finish(self) -> Result<(), ViewError> {
        Ok(())
    }
}

fn step(step: u64) -> StepRecord {
    StepRecord {
        step,
        time_secs: 0.0,
        observation: Default::default(),
        poses: Vec::new(),
        state: Default::default(),
        action: Vec::new(),
        transition: Default::default(),
        goal_errors: Vec::new(),
        plan: None,
    }
}

fn seen(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

fn begin(queue: &Queue<Slow>) -> bool {
    queue.begin(&EpisodeHeader::default(), Moment::now())
}

#[test]
fn a_slow_display_does_not_hold_up_the_work_and_what_it_misses_is_counted() {
    let slow = Slow { takes: Duration::from_millis(2), ..Slow::default() };
    let watched = Watched::new(slow.clone(), f64::INFINITY);
    let started = Instant::now();
    assert!(begin(&watched.queue));
    // All of it would take the display 20 s.
    (0..10_000).for_each(|index| watched.queue.step(&step(index), Moment::now()));
    watched.queue.end(Some(&EpisodeSummary::default()));
    // It is far behind: no time for another episode.
    assert!(!begin(&watched.queue));
    let worked = started.elapsed();
    assert!(worked < Duration::from_secs(2), "{worked:?}");
    let (count, outcome) = watched.finish();
    outcome.unwrap();
    assert_eq!((count.steps + count.missing, count.passed_over), (10_000, 1), "{count:?}");
    assert_eq!(count.steps, seen(&slow.steps));
    assert!(count.missing > 8000, "{count:?}");
    assert_eq!(seen(&slow.overruns), 1, "it is said once");
    assert!(started.elapsed() < Duration::from_secs(5), "the queue was not bounded");
}

#[test]
fn fast_episodes_are_shown_whole_at_the_rate_and_the_others_passed_over() {
    let queue = Queue::<Slow>::new(Budget::new(10.0));
    let start = Instant::now();
    let at = |ms: u64| Moment {
        wall: start + Duration::from_millis(ms),
        work: Duration::from_millis(ms),
    };
    let header = EpisodeHeader::default();
    // Episodes of 20 steps, a millisecond each: 10 steps a second leave time for one in 2 s, give or take a
    // step.
    let mut begun = Vec::new();
    for episode in 0..300 {
        if queue.begin(&header, at(20 * episode)) {
            begun.push(20 * episode);
            (0..20).for_each(|index| queue.step(&step(index), at(20 * episode + index)));
            queue.end(Some(&EpisodeSummary::default()));
        }
        // The display keeps up.
        queue.drain();
    }
    assert_eq!(begun, [0, 1900, 3900, 5900]);
    let expected = Shown { episodes: 4, passed_over: 296, steps: 80, ..Shown::default() };
    assert_eq!(queue.count(), expected);
    // Slow ones are never passed over.
    for episode in 0..5 {
        let begins = 10_000 + 2500 * episode;
        assert!(queue.begin(&header, at(begins)));
        (0..20).for_each(|index| queue.step(&step(index), at(begins + 120 * index)));
        queue.end(None);
        queue.drain();
    }
}

#[test]
fn a_display_that_falls_behind_gets_fewer_steps_until_it_has_caught_up() {
    let queue = Queue::<Slow>::new(Budget::new(f64::INFINITY));
    let now = Moment::now();
    let steps = |count: u64| {
        assert!(queue.begin(&EpisodeHeader::default(), now));
        let before = queue.count().steps;
        (0..count).for_each(|index| queue.step(&step(index), now));
        queue.end(None);
        queue.count().steps - before
    };
    assert!(steps(1000) < 500);
    // Half the rate at each overrun, twice the rate with each episode that begins.
    let recovering: Vec<u64> = std::iter::repeat_with(|| {
        queue.drain();
        steps(64)
    })
    .take(8)
    .collect();
    assert!(recovering.is_sorted() && recovering[0] < 64, "{recovering:?}");
    assert_eq!(recovering.last(), Some(&64));
}

#[test]
fn one_episode_is_on_stage_and_leaves_it_even_without_an_end() {
    let display = Slow::default();
    let watched = Watched::new(display.clone(), f64::INFINITY);
    let queue = &watched.queue;
    assert!(begin(queue));
    assert!(!begin(queue));
    queue.end(None);
    assert!(begin(queue));
    queue.step(&step(0), Moment::now());
    queue.end(Some(&EpisodeSummary::default()));
    queue.metrics(3, &[("train/loss".into(), 1.0)]);
    let (count, outcome) = watched.finish();
    outcome.unwrap();
    assert_eq!((seen(&display.begun), seen(&display.ended), seen(&display.steps)), (2, 1, 1));
    let expected = Shown { episodes: 2, passed_over: 1, steps: 1, metrics: 1, ..Shown::default() };
    assert_eq!((seen(&display.metrics), Shown { cost: Duration::ZERO, ..count }), (1, expected));
    assert!(!begin(queue), "nothing is taken after the end");
}

#[test]
fn a_dear_display_is_shown_fewer_episodes_which_is_said_once() {
    let queue = Queue::<Slow>::new(Budget::new(Live::HZ));
    let start = Moment::now();
    let header = EpisodeHeader::default();
    // One thread works on episodes of 20 steps in 20 ms; the display takes 10 ms a step, and keeps up.
    let (mut begun, mut told) = (Vec::new(), 0);
    for episode in 0..3000 {
        let now = Moment {
            wall: start.wall + Duration::from_millis(20 * episode),
            work: start.work + Duration::from_millis(20 * episode),
        };
        if queue.begin(&header, now) {
            begun.push(20 * episode);
            (0..20).for_each(|index| queue.step(&step(index), now));
            queue.end(Some(&EpisodeSummary::default()));
        }
        while let Taken::Message(message) = queue.take(Some(Duration::ZERO)) {
            told += u64::from(matches!(message, Message::Thrift));
            let step = matches!(message, Message::Step(_));
            queue.displayed(Duration::from_millis(if step { 10 } else { 0 }), now);
        }
    }
    // An episode takes 200 ms, 2 % of 10 s.
    assert_eq!(begun.len(), 7, "{begun:?}");
    assert!(begun.windows(2).all(|pair| pair[1] - pair[0] > 9700), "{begun:?}");
    let count = queue.count();
    assert_eq!((count.episodes, count.passed_over, told), (7, 2993, 1));
    assert!(count.too_dear > 2700 && count.cost == Duration::from_millis(1400), "{count:?}");
}

#[test]
fn a_rest_begins_when_all_is_shown_and_nothing_counts_in_it() {
    let slow = Slow { takes: Duration::from_millis(2), ..Slow::default() };
    let watched = Watched::new(slow.clone(), f64::INFINITY);
    assert!(begin(&watched.queue));
    (0..20).for_each(|index| watched.queue.step(&step(index), Moment::now()));
    watched.queue.end(None);
    watched.queue.rest(Moment::now);
    assert_eq!(seen(&slow.steps), 20);
    assert!(!begin(&watched.queue));
    assert_eq!(watched.queue.count().passed_over, 0);
    watched.queue.resume(Moment::now());
    assert!(begin(&watched.queue));
}

#[test]
fn what_a_display_holds_back_is_let_go_when_nothing_comes() {
    let display = Slow::default();
    let watched = Watched::new(display.clone(), f64::INFINITY);
    assert!(begin(&watched.queue));
    watched.queue.step(&step(0), Moment::now());
    let started = Instant::now();
    while seen(&display.released) == 0 {
        assert!(started.elapsed() < Duration::from_secs(10), "it is held back for ever");
        std::thread::sleep(Duration::from_millis(1));
    }
}
