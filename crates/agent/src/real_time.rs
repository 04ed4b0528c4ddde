//! Control at the robot's own rate, by the clock on the wall, while another thread thinks.

use crate::acting::Pending;
use crate::thinker::Thinking;
use housecat_core::{Actor, Decision, Env, EnvError, Observation, PlanTrace, Rng, Seed, Snapshot};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// What the thinking thread is asked.
struct Request<S> {
    seen: S,
    /// The actions that are executed meanwhile.
    during: Vec<f32>,
    /// The time of the plan: periods since the episode began, a period being one plan's execution.
    period: usize,
    /// Requests were left out since the last: the history is not known.
    gap: bool,
    asked: Instant,
    seed: Seed,
}

struct Answer {
    plan: Result<PlanTrace, EnvError>,
    period: usize,
}

/// An actor that never waits for its plans. Each is asked for one period ahead; when a period begins and its
/// plan is not there, what is safe is done ([`Pending::go_on`]) and an empty plan is reported. A plan that comes
/// late is followed from where it should be by then.
pub(crate) struct RealTime<S> {
    look: Look<S>,
    requests: SyncSender<Request<S>>,
    answers: Receiver<Answer>,
    pending: Pending,
    /// Control steps in a period.
    steps: usize,
    /// Between two control steps.
    tick: Duration,
    next_tick: Option<Instant>,
    period: usize,
    thinking: bool,
    gap: bool,
}

/// What a mind looks at.
pub(crate) type Look<S> = fn(&dyn Env, &Observation) -> S;

/// A look at the world itself, for the oracle.
pub(crate) fn at_world(env: &dyn Env, _: &Observation) -> Snapshot {
    env.snapshot()
}

/// A look through the robot's own senses.
pub(crate) fn at_observation(_: &dyn Env, observation: &Observation) -> Observation {
    observation.clone()
}

impl<S: Send> RealTime<S> {
    /// Moves the mind to a thread of `scope`, where it thinks until the actor is dropped.
    pub fn new<'scope, T: Thinking<Seen = S> + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        mut mind: T,
        look: Look<S>,
        action_dim: usize,
        tick: Duration,
    ) -> Self
    where
        S: 'scope,
    {
        let (requests, asked) = sync_channel::<Request<S>>(1);
        let (answer, answers) = sync_channel(1);
        let steps = mind.steps();
        scope.spawn(move || {
            while let Ok(Request { seen, during, period, gap, asked, seed }) = asked.recv() {
                if gap {
                    mind.lose_history();
                }
                let plan = mind.think(seen, &during, asked, &mut seed.rng());
                if answer.send(Answer { plan, period }).is_err() {
                    break;
                }
            }
        });
        let pending = Pending::new(action_dim, steps);
        Self {
            look,
            requests,
            answers,
            pending,
            steps,
            tick,
            next_tick: None,
            period: 0,
            thinking: false,
            gap: false,
        }
    }

    /// The plan for the period that begins: an empty one if it is not there, none in the first, for which none was
    /// asked.
    fn adopt(&mut self) -> Result<Option<PlanTrace>, EnvError> {
        let answer = if self.thinking { self.answers.try_recv().ok() } else { None };
        if let Some(Answer { plan, period }) = answer {
            self.thinking = false;
            let plan = plan?;
            let late = self.period.saturating_sub(period) * self.steps;
            if late < plan.horizon {
                self.pending.take(&plan, late);
                return Ok(Some(plan));
            }
        }
        self.pending.go_on();
        Ok((self.period > 0).then(PlanTrace::default))
    }
}

impl<S: Send> Actor for RealTime<S> {
    /// Begins with the episode that the mind was made for; there is no other.
    fn reset(&mut self) {}

    fn decide(
        &mut self,
        env: &dyn Env,
        observation: &Observation,
        rng: &mut Rng,
    ) -> Result<Decision, EnvError> {
        let now = Instant::now();
        let tick = *self.next_tick.get_or_insert(now);
        std::thread::sleep(tick.saturating_duration_since(now));
        self.next_tick = Some(tick + self.tick);
        if let Some(action) = self.pending.next() {
            return Ok(Decision { action, plan: None });
        }
        let plan = self.adopt()?;
        self.period += 1;
        if self.thinking {
            self.gap = true;
        } else {
            let request = Request {
                seen: (self.look)(env, observation),
                during: self.pending.queued(),
                period: self.period,
                gap: std::mem::take(&mut self.gap),
                asked: Instant::now(),
                seed: rng.seed(),
            };
            self.thinking = self.requests.try_send(request).is_ok();
        }
        let action = self.pending.next().unwrap_or_default();
        Ok(Decision { action, plan })
    }
}
