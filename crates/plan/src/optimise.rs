//! The one optimisation loop.

use crate::time::OverKnots;
use crate::{ActionSequences, Objective, Planner, Prices, TimeBasis};
use housecat_core::{IterationTrace, PlanTrace, Rng};
use std::time::{Duration, Instant};

/// How long to search, and from where.
pub struct Effort<'a> {
    /// How plans depend on time; the planner's horizon is its knots.
    pub basis: &'a TimeBasis,
    /// Rounds.
    pub iterations: usize,
    /// When an answer is due, whatever has been priced by then. Without one, the answer depends on the
    /// seed only.
    pub deadline: Option<Instant>,
    /// Plans to be tried among the first round's candidates, `[H, A]` each.
    pub proposals: &'a [Vec<f32>],
}

/// Searches and returns the best sequence seen, with the search's trace: the cheapest of those that keep
/// the constraints or, where none does, the one that breaks them least. The end also prices the mean of
/// the final distribution. Under a deadline candidates are priced in portions that become small towards
/// it; what was not priced is counted, and if nothing was, the plan is empty.
pub fn optimise(
    planner: &mut dyn Planner,
    objective: &mut dyn Objective,
    effort: &Effort<'_>,
    rng: &mut Rng,
) -> PlanTrace {
    let started = Instant::now();
    let mut pricer = Pricer {
        objective: OverKnots { inner: objective, basis: effort.basis },
        deadline: effort.deadline,
        secs_each: [None; 2],
    };
    let constraints = pricer.objective.constraints();
    let mut best = Best::default();
    let mut trace = PlanTrace { best_cost: f32::INFINITY, ..PlanTrace::default() };
    let (mut samples, mut rounds, mut asked, mut done) = (0, 0, 0, 0);
    for round in 0..effort.iterations {
        let candidates = planner.propose(rng);
        if round == 0 {
            insert(effort, candidates);
        }
        let candidates = candidates.clone();
        samples = candidates.samples;
        asked += samples;
        trace.action_dim = candidates.action_dim;
        let priced = pricer.price(&candidates, planner.wants_grads());
        let count = priced.costs.len();
        for (sample, &cost) in priced.costs.iter().enumerate() {
            best.offer(cost, priced.violations_of(sample), candidates.sequence(sample));
        }
        rounds += 1;
        done += count;
        if count < samples {
            break;
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| priced.costs[a].total_cmp(&priced.costs[b]).then(a.cmp(&b)));
        let elites = &order[..planner.elites().min(count)];
        trace.elite_costs = elites.iter().map(|&index| priced.costs[index]).collect();
        trace.elites = (elites.iter())
            .flat_map(|&index| effort.basis.expand(candidates.sequence(index), trace.action_dim))
            .collect();
        let shown = evenly(&order, PlanTrace::CANDIDATES);
        trace.candidate_costs = shown.iter().map(|&index| priced.costs[index]).collect();
        trace.candidates = (shown.iter())
            .flat_map(|&index| effort.basis.expand(candidates.sequence(index), trace.action_dim))
            .collect();
        planner.update(&Prices {
            costs: &priced.costs,
            order: &order,
            grads: &priced.grads,
            violations: &priced.violations,
        });
        trace.iterations.push(IterationTrace {
            best: priced.costs[order[0]],
            elite_mean: mean(&trace.elite_costs),
            mean: mean(&priced.costs),
            std: planner.std(),
        });
    }
    // Rounds that never began would have been as large as the last.
    asked += (effort.iterations - rounds) * samples;
    trace.cut = 1.0 - done as f64 / asked.max(1) as f64;
    if done == asked {
        let last = ActionSequences {
            samples: 1,
            horizon: effort.basis.knots(),
            action_dim: trace.action_dim,
            values: planner.mean().to_vec(),
        };
        let priced = pricer.price(&last, false);
        if let Some(&cost) = priced.costs.first() {
            best.offer(cost, priced.violations_of(0), &last.values);
        }
    }
    if let Some((key, violations, sequence)) = best.0 {
        trace.best = effort.basis.expand(&sequence, trace.action_dim);
        trace.horizon = trace.best.len() / trace.action_dim.max(1);
        trace.best_cost = key.cost;
        trace.violations = constraints.into_iter().zip(violations).collect();
    }
    trace.plan_secs = started.elapsed().as_secs_f64();
    trace
}

/// At most `count` of these, evenly spread, the first and the last among them.
fn evenly(all: &[usize], count: usize) -> Vec<usize> {
    let count = count.min(all.len());
    let last = all.len().saturating_sub(1);
    (0..count).map(|index| all[index * last / count.saturating_sub(1).max(1)]).collect()
}

/// Puts the proposals in place of the last candidates, of which at least half are left alone.
fn insert(effort: &Effort<'_>, candidates: &mut ActionSequences) {
    let room = candidates.samples / 2;
    for (index, proposal) in effort.proposals.iter().take(room).enumerate() {
        let knots = effort.basis.sample(proposal, candidates.action_dim);
        let to = candidates.samples - 1 - index;
        for (value, knot) in candidates.sequence_mut(to).iter_mut().zip(knots) {
            *value = knot.clamp(-1.0, 1.0);
        }
    }
}

/// Prices of some or all candidates.
#[derive(Default)]
struct Priced {
    costs: Vec<f32>,
    grads: Vec<f32>,
    violations: Vec<f32>,
}

impl Priced {
    fn violations_of(&self, sample: usize) -> &[f32] {
        let each = self.violations.len() / self.costs.len().max(1);
        &self.violations[sample * each..(sample + 1) * each]
    }
}

struct Pricer<'a> {
    objective: OverKnots<'a>,
    deadline: Option<Instant>,
    /// Measured on the portion before, without gradients and with: probing makes these much slower.
    secs_each: [Option<f64>; 2],
}

impl Pricer<'_> {
    /// Candidates in the first portion, before it is known what one takes.
    const FIRST: usize = 2;
    /// What a portion may at least take, so that the clock is not all that is looked at.
    const LEAST: Duration = Duration::from_micros(100);

    /// Prices candidates from the first on, as far as the deadline allows.
    fn price(&mut self, candidates: &ActionSequences, grads: bool) -> Priced {
        let mut priced = Priced::default();
        let Some(deadline) = self.deadline else {
            self.portion(candidates, grads, &mut priced);
            return priced;
        };
        while priced.costs.len() < candidates.samples {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let share = (left / 3).max(Self::LEAST).as_secs_f64();
            let count = match self.secs_each[usize::from(grads)] {
                None if left.is_zero() => break,
                None => Self::FIRST,
                Some(each) if each > left.as_secs_f64() => break,
                Some(each) => (share.min(left.as_secs_f64()) / each) as usize,
            };
            let from = priced.costs.len();
            let count = count.clamp(1, candidates.samples - from);
            let len = candidates.len_one();
            let portion = ActionSequences {
                samples: count,
                values: candidates.values[from * len..(from + count) * len].to_vec(),
                ..*candidates
            };
            self.portion(&portion, grads, &mut priced);
            let each = now.elapsed().as_secs_f64() / count as f64;
            self.secs_each[usize::from(grads)] = Some(each);
        }
        priced
    }

    fn portion(&mut self, candidates: &ActionSequences, grads: bool, priced: &mut Priced) {
        let mut costs = if grads {
            let (costs, grads) = self.objective.costs_and_grads(candidates);
            // A slope that is not a number points nowhere.
            priced.grads.extend(grads.iter().map(|&g| if g.is_finite() { g } else { 0.0 }));
            costs
        } else {
            self.objective.costs(candidates)
        };
        // A plan that breaks the model or the simulator is the worst plan, not a poison for the mean.
        costs.iter_mut().filter(|cost| !cost.is_finite()).for_each(|cost| *cost = f32::MAX);
        priced.costs.extend(costs);
        priced.violations.extend_from_slice(self.objective.violations());
    }
}

/// Feasible before infeasible, then by cost (Deb 2000, "An efficient constraint handling method").
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Key {
    violation: f32,
    cost: f32,
}

#[derive(Default)]
struct Best(Option<(Key, Vec<f32>, Vec<f32>)>);

impl Best {
    fn offer(&mut self, cost: f32, violations: &[f32], sequence: &[f32]) {
        let key = Key { violation: violations.iter().map(|v| v.max(0.0)).sum(), cost };
        if self.0.as_ref().is_none_or(|(best, ..)| key < *best) {
            self.0 = Some((key, violations.to_vec(), sequence.to_vec()));
        }
    }
}

fn mean(values: &[f32]) -> f32 {
    let total: f64 = values.iter().map(|&value| f64::from(value)).sum();
    (total / values.len().max(1) as f64) as f32
}
