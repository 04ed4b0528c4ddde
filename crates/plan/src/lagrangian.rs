//! Constraints by an augmented Lagrangian (Hestenes 1969, "Multiplier and gradient methods"; Powell 1969, "A
//! method for nonlinear constraints in minimization problems"; Nocedal and Wright 2006, chapter 17.4) around
//! a solver that samples: that one sees costs in which breaking a constraint has its price.

use crate::config::in_range;
use crate::{ActionSequences, CemConfig, PlanError, Planner, PlannerConfig, Prices};
use housecat_core::Rng;
use serde::{Deserialize, Serialize};

/// Hyper-parameters of [`Lagrangian`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LagrangianConfig {
    /// The solver inside; one that samples.
    pub inner: Box<PlannerConfig>,
    /// Penalty to begin with. At 1, breaking a constraint by its spread over the candidates costs half of the
    /// spread of the costs; both are measured, so that this needs no tuning to a task.
    pub penalty: f32,
    /// Factor on the penalty of a constraint whose violation does not fall enough in a round. Nocedal and
    /// Wright's 10 is for inner problems solved to the end; here each round is a small step of one.
    pub growth: f32,
    /// A violation falls enough if it comes below this share of what it was a round before (Powell's 0.25).
    pub progress: f32,
}

impl Default for LagrangianConfig {
    fn default() -> Self {
        let inner = Box::new(PlannerConfig::Cem(CemConfig::default()));
        Self { inner, penalty: 1.0, growth: 2.0, progress: 0.25 }
    }
}

/// What is known of one constraint g <= 0.
#[derive(Clone)]
struct Multiplier {
    /// Lambda: the price of a unit of violation.
    lambda: f64,
    /// Rho, of this plan; 0 before its first round.
    rho: f64,
    /// How often rho has grown, as a factor.
    grown: f64,
    /// The elites' violation a round before.
    before: f64,
}

impl Default for Multiplier {
    fn default() -> Self {
        Self { lambda: 0.0, rho: 0.0, grown: 1.0, before: f64::INFINITY }
    }
}

impl Multiplier {
    /// What a violation adds to the costs: (max(0, lambda + rho g)^2 - lambda^2) / (2 rho).
    fn price(&self, violation: f64) -> f64 {
        let force = (self.lambda + self.rho * violation).max(0.0);
        (force * force - self.lambda * self.lambda) / (2.0 * self.rho)
    }
}

/// A sampling solver with a multiplier for every constraint. Without constraints it is that solver.
pub struct Lagrangian {
    inner: Box<dyn Planner>,
    penalty: f64,
    growth: f64,
    progress: f64,
    multipliers: Vec<Multiplier>,
}

impl Lagrangian {
    /// Lambda is at most this often the ratio of the spreads of costs and violation, which is what it would be
    /// at an optimum: where no plan keeps a constraint it would grow for ever.
    const HIGHEST: f64 = 1e3;
    /// So often rho grows at most.
    const MOST_GROWN: f64 = 1e4;

    /// A planner over `[samples, horizon, action_dim]`.
    ///
    /// # Errors
    /// If a hyper-parameter makes no sense, or the inner solver does not sample.
    pub fn new(
        config: &LagrangianConfig,
        samples: usize,
        horizon: usize,
        action_dim: usize,
    ) -> Result<Self, PlanError> {
        match *config.inner {
            PlannerConfig::Cem(_)
            | PlannerConfig::Icem(_)
            | PlannerConfig::Mppi(_)
            | PlannerConfig::PredictiveSampling(_)
            | PlannerConfig::CategoricalCem(_) => {}
            // There are no gradients of violations, and two layers of multipliers price the same thing twice.
            PlannerConfig::Adam(_)
            | PlannerConfig::ProjectedGradient(_)
            | PlannerConfig::Hybrid(_)
            | PlannerConfig::Lagrangian(_) => {
                let value = config.inner.name().to_string();
                let fix = "choose a solver that samples: cem, icem, mppi, predictive_sampling or \
                           categorical_cem";
                return Err(PlanError::Config { key: "inner", value, fix });
            }
        }
        in_range("penalty", config.penalty, 1e-3, 1e3, "choose between 0.001 and 1000")?;
        in_range("growth", config.growth, 1.0, 100.0, "choose a factor in [1, 100]")?;
        in_range("progress", config.progress, 0.0, 1.0, "choose a share in [0, 1]")?;
        let inner = config.inner.build(samples, horizon, action_dim);
        Ok(Self {
            inner: inner.map_err(|error| error.within("inner"))?,
            penalty: f64::from(config.penalty),
            growth: f64::from(config.growth),
            progress: f64::from(config.progress),
            multipliers: Vec::new(),
        })
    }
}

impl Planner for Lagrangian {
    fn propose(&mut self, rng: &mut Rng) -> &mut ActionSequences {
        self.inner.propose(rng)
    }

    fn update(&mut self, prices: &Prices<'_>) {
        let samples = prices.costs.len();
        let count = prices.violations.len() / samples.max(1);
        if count == 0 {
            return self.inner.update(prices);
        }
        self.multipliers.resize(count, Multiplier::default());
        let violation = |sample: usize, constraint: usize| {
            f64::from(prices.violations[sample * count + constraint])
        };
        // Without candidates that broke the model, whose numbers mean nothing.
        let whole: Vec<usize> = (prices.elites(samples).iter().copied())
            .filter(|&sample| {
                (0..count).all(|constraint| violation(sample, constraint).is_finite())
            })
            .collect();
        let costs = spread(whole.iter().map(|&sample| f64::from(prices.costs[sample])));
        let spreads: Vec<f64> = (0..count)
            .map(|constraint| spread(whole.iter().map(|&sample| violation(sample, constraint))))
            .collect();
        for (multiplier, &violations) in self.multipliers.iter_mut().zip(&spreads) {
            // With the spreads of costs and violations in linear terms, |df| s and |dg| s, this penalty pulls back
            // at a violation of |dg| s as the costs pull out. It rises by itself as the search narrows.
            let scale = self.penalty * multiplier.grown * costs / (violations * violations);
            multiplier.rho = multiplier.rho.max(scale);
        }
        let mut totals = vec![f32::MAX; samples];
        for &sample in &whole {
            let extra =
                |(constraint, m): (usize, &Multiplier)| m.price(violation(sample, constraint));
            let extra: f64 = self.multipliers.iter().enumerate().map(extra).sum();
            let total = (f64::from(prices.costs[sample]) + extra) as f32;
            totals[sample] = total.min(f32::MAX);
        }
        let mut order: Vec<usize> = (0..samples).collect();
        order.sort_by(|&a, &b| totals[a].total_cmp(&totals[b]).then(a.cmp(&b)));
        let priced = Prices { costs: &totals, order: &order, grads: &[], ..*prices };
        self.inner.update(&priced);
        // The elites stand for the minimiser; a single candidate would be more noise than one.
        let elites = priced.elites(self.inner.elites());
        if elites.is_empty() {
            return;
        }
        for (constraint, multiplier) in self.multipliers.iter_mut().enumerate() {
            let sum: f64 = elites.iter().map(|&elite| violation(elite, constraint)).sum();
            let (mean, spread) = (sum / elites.len() as f64, spreads[constraint]);
            multiplier.lambda = (multiplier.lambda + multiplier.rho * mean)
                .clamp(0.0, Self::HIGHEST * costs / spread);
            // What lies within the spread of the candidates the multiplier will find.
            if mean > spread && mean > self.progress * multiplier.before {
                multiplier.grown = (multiplier.grown * self.growth).min(Self::MOST_GROWN);
            }
            multiplier.before = mean.max(0.0);
        }
    }

    fn elites(&self) -> usize {
        self.inner.elites()
    }

    fn std(&self) -> f32 {
        self.inner.std()
    }

    fn shift(&mut self, shift: &dyn Fn(&mut [f32])) {
        self.inner.shift(shift);
        // The constraints' prices still hold in the next plan, the penalties belong to how far the search was.
        for multiplier in &mut self.multipliers {
            *multiplier = Multiplier { lambda: multiplier.lambda, ..Multiplier::default() };
        }
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.multipliers.clear();
    }

    fn mean(&self) -> &[f32] {
        self.inner.mean()
    }
}

/// How far values lie apart: the interquartile range, which a few crashes do not stretch; for values of which
/// most are equal the full range, for values all equal the magnitude. Above zero.
fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return 1.0 };
    let quartile = |share: usize| values[(values.len() - 1) * share / 4];
    let ranges = [quartile(3) - quartile(1), last - first, first.abs()];
    ranges.into_iter().find(|range| *range > 1e-30).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActionTime, Effort, Objective, optimise};
    use housecat_core::Seed;

    /// Squared distance from 0.7 everywhere; the mean action should be at most 0.2.
    struct Budget(Vec<f32>);

    impl Objective for Budget {
        fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
            let sequences = || (0..candidates.samples).map(|sample| candidates.sequence(sample));
            self.0 = sequences().map(|a| a.iter().sum::<f32>() / a.len() as f32 - 0.2).collect();
            sequences().map(|a| a.iter().map(|a| (a - 0.7) * (a - 0.7)).sum()).collect()
        }

        fn violations(&self) -> &[f32] {
            &self.0
        }
    }

    #[test]
    fn multipliers_find_the_optimums_and_carry_over_a_shift_but_not_a_reset() {
        let mut planner = Lagrangian::new(&LagrangianConfig::default(), 128, 10, 1).unwrap();
        let basis = ActionTime::Steps.basis(10).unwrap();
        let effort = Effort { basis: &basis, iterations: 20, deadline: None, proposals: &[] };
        let mut objective = Budget(Vec::new());
        optimise(&mut planner, &mut objective, &effort, &mut Seed::new(1).rng());
        // Where 2 (a - 0.7) + lambda / 10 is 0 at a = 0.2.
        let lambda = planner.multipliers[0].lambda;
        assert!((lambda - 10.0).abs() < 2.5, "{lambda}");
        planner.shift(&|_| {});
        let after = &planner.multipliers[0];
        assert_eq!((after.lambda, after.rho, after.grown), (lambda, 0.0, 1.0));
        planner.reset();
        assert!(planner.multipliers.is_empty());
    }

    #[test]
    fn the_price_of_a_violation_is_the_augmented_lagrangians() {
        let multiplier = Multiplier { lambda: 2.0, rho: 4.0, ..Multiplier::default() };
        assert_eq!(multiplier.price(0.0), 0.0);
        assert_eq!(multiplier.price(1.0), (36.0 - 4.0) / 8.0);
        // Far inside, nothing more is to be gained.
        assert_eq!(multiplier.price(-0.5), -0.5);
        assert_eq!(multiplier.price(-9.0), -0.5);
    }

    #[test]
    fn a_spread_is_never_zero_and_not_that_of_crashes() {
        let with_crash = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1e9];
        assert_eq!(spread(with_crash.into_iter()), 4.0);
        assert_eq!(spread([0.0, 0.0, 0.0, 0.0, 0.0, 3.0].into_iter()), 3.0);
        assert_eq!(spread([-2.0; 4].into_iter()), 2.0);
        assert_eq!(spread([0.0; 4].into_iter()), 1.0);
        assert_eq!(spread(std::iter::empty()), 1.0);
    }
}
