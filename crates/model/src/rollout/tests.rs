//! The fast path against the training path: values, gradients, bits.

use crate::{
    EncoderConfig, LatentRollout, ModelConfig, ModelInput, ModelSpec, Precision, PredictorConfig,
    RewardConfig, WorldModel,
};
use candle_core::{Device, Tensor, Var};
use housecat_core::{Rng, Seed};

const D: usize = 6;
const BLOCK: usize = 4;

/// An untrained model whose variables are all moved off their starting values (zero biases hide mistakes).
fn model(predictor: PredictorConfig) -> WorldModel {
    ensemble(predictor, 1)
}

fn ensemble(predictor: PredictorConfig, ensemble: usize) -> WorldModel {
    let names = vec!["x".to_owned(), "y".to_owned()];
    let spec = ModelSpec {
        format: ModelSpec::FORMAT,
        sim: "test".into(),
        input: ModelInput::State { names: names.clone() },
        actions: names,
        model: ModelConfig {
            latent_dim: D,
            action_repeat: 2,
            encoder: EncoderConfig::Mlp { hidden: 8 },
            predictor,
            ensemble,
            reward: Some(RewardConfig { hidden: 9 }),
            inverse_dynamics: None,
        },
    };
    let mut model = WorldModel::new(spec, Seed::new(0)).unwrap();
    (model.scaling.reward_mean, model.scaling.reward_std) = (0.3, 1.7);
    let mut rng = Seed::new(5).rng();
    for (_, running) in &model.statistics {
        let mut running = running.write().unwrap();
        running.mean.iter_mut().for_each(|value| *value += 0.2 * rng.normal());
        running.var.iter_mut().for_each(|value| *value += rng.uniform(-0.5, 0.5));
    }
    for (_, var) in &model.variables {
        let moved: Vec<f32> = var
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
            .iter()
            .map(|value| value + 0.3 * rng.normal())
            .collect();
        var.set(&Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap()).unwrap();
    }
    model
}

fn kinds() -> Vec<PredictorConfig> {
    let transformer = |depth, heads, head_dim, history| PredictorConfig::Transformer {
        depth,
        heads,
        head_dim,
        mlp: 19,
        history,
        dropout: 0.1,
    };
    let residual = |depth| PredictorConfig::Residual { hidden: 21, depth, action_dim: 5 };
    vec![
        residual(2),
        transformer(3, 2, 4, 3),
        transformer(1, 3, 5, 2),
        // One head as wide as the latent has no map back; a history of one no context.
        transformer(2, 1, D, 4),
        transformer(2, 2, 16, 1),
        residual(1),
        residual(3),
    ]
}

/// One of each kind, and ensembles of some.
fn models() -> Vec<WorldModel> {
    let mut models: Vec<_> = kinds().into_iter().map(model).collect();
    models.extend(kinds().into_iter().take(2).map(|kind| ensemble(kind, 3)));
    models
}

fn normal(rng: &mut Rng, count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    rng.fill_normal(&mut values);
    values
}

/// A start, two blocks of history, and plans.
struct Case {
    start: Vec<f32>,
    latents: Vec<f32>,
    blocks: Vec<f32>,
    actions: Vec<f32>,
    samples: usize,
    horizon: usize,
}

impl Case {
    fn new(samples: usize, horizon: usize) -> Self {
        let mut rng = Seed::new(11).rng();
        Self {
            start: normal(&mut rng, D),
            latents: normal(&mut rng, 2 * D),
            blocks: normal(&mut rng, 2 * BLOCK),
            actions: normal(&mut rng, samples * horizon * BLOCK),
            samples,
            horizon,
        }
    }

    /// No history, one block of it, two.
    fn histories(&self) -> [Option<(&[f32], &[f32])>; 3] {
        [
            None,
            Some((&self.latents[D..], &self.blocks[BLOCK..])),
            Some((&self.latents, &self.blocks)),
        ]
    }

    fn roll(&self, fast: &mut LatentRollout, history: Option<(&[f32], &[f32])>) -> [Vec<f32>; 2] {
        let (samples, horizon) = (self.samples, self.horizon);
        let latents = fast.roll(&self.start, history, &self.actions, samples, horizon).to_vec();
        [latents, fast.rewards(&self.start, &self.actions, samples, horizon).unwrap()]
    }
}

fn close(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1.0_f32, |scale, value| scale.max(value.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance * scale, "{got} {want} of {scale}");
    }
}

#[test]
fn latents_and_rewards_equal_the_training_path() {
    for model in models() {
        let mut fast = model.latent_rollout().unwrap();
        for (samples, horizon) in [(1, 1), (7, 6), (13, 3)] {
            let case = Case::new(samples, horizon);
            for history in case.histories() {
                let (latents, rewards) = model
                    .roll_reference(&case.start, history, &case.actions, samples, horizon)
                    .unwrap();
                let [got, got_rewards] = case.roll(&mut fast, history);
                close(&got, &latents, 1e-5);
                close(&got_rewards, &rewards, 1e-5);
            }
        }
    }
}

#[test]
fn rounded_products_move_latents_little() {
    for model in models() {
        let [mut exact, mut fast] = [Precision::F32, Precision::Bf16]
            .map(|precision| model.latent_rollout_in(precision).unwrap());
        let case = Case::new(50, 6);
        for history in case.histories() {
            let [want, want_rewards] = case.roll(&mut exact, history);
            let [got, got_rewards] = case.roll(&mut fast, history);
            close(&got, &want, 3e-2);
            close(&got_rewards, &want_rewards, 3e-2);
        }
    }
}

#[test]
fn bits_depend_neither_on_threads_nor_on_other_samples() {
    bits_depend_on_neither(Precision::F32);
    bits_depend_on_neither(Precision::Bf16);
}

fn bits_depend_on_neither(precision: Precision) {
    for model in models() {
        let mut one = model.latent_rollout_in(precision).unwrap();
        let (mut two, mut three) = (one.clone().with_threads(2), one.clone().with_threads(3));
        // Twice, with buffers left over from a roll of another size.
        assert!(one.roll(&[0.0; D], None, &[], 0, 4).is_empty());
        for samples in [1, 2, 3, 5, 64, 101, 203, 7] {
            let case = Case::new(samples, 4);
            for history in case.histories() {
                let want = case.roll(&mut one, history);
                assert_eq!(case.roll(&mut two, history), want);
                assert_eq!(case.roll(&mut three, history), want);
                assert_eq!(two.spread(), one.spread());
                let last = &case.actions[(samples - 1) * 4 * BLOCK..];
                let alone = one.roll(&case.start, history, last, 1, 4);
                for (alone, among) in alone.chunks(D).zip(want[0].chunks(samples * D)) {
                    assert_eq!(alone, &among[(samples - 1) * D..]);
                }
                let by_latents = vec![0.5; 4 * samples * D];
                let by_rewards = vec![0.25; 4 * samples];
                let gradients = |fast: &mut LatentRollout| {
                    fast.roll_with_grads(&case.start, history, &case.actions, samples, 4);
                    fast.gradients(&by_latents, Some(&by_rewards)).unwrap().unwrap().to_vec()
                };
                let want = gradients(&mut one);
                assert_eq!(gradients(&mut two), want);
                assert_eq!(gradients(&mut three), want);
            }
        }
    }
}

#[test]
fn gradients_equal_autograd_and_differences() {
    for model in models() {
        let mut fast = model.latent_rollout().unwrap();
        let (samples, horizon) = (5, 4);
        let case = Case::new(samples, horizon);
        let mut rng = Seed::new(12).rng();
        let by_latents = normal(&mut rng, horizon * samples * D);
        let by_rewards = normal(&mut rng, horizon * samples);
        for history in case.histories() {
            let got = |fast: &mut LatentRollout, with_rewards: bool| {
                let plans = &case.actions;
                let path = fast.roll_with_grads(&case.start, history, plans, samples, horizon);
                let path = path.to_vec();
                assert_eq!(fast.roll(&case.start, history, plans, samples, horizon), path);
                assert!(fast.gradients(&by_latents, None).unwrap().is_none(), "nothing was kept");
                fast.roll_with_grads(&case.start, history, plans, samples, horizon);
                let rewards = with_rewards.then_some(&by_rewards[..]);
                let first = fast.gradients(&by_latents, rewards).unwrap().unwrap().to_vec();
                assert_eq!(
                    fast.gradients(&by_latents, rewards).unwrap().unwrap(),
                    first,
                    "asked twice"
                );
                first
            };
            for with_rewards in [false, true] {
                let shape = (samples, horizon * BLOCK);
                let actions = Var::from_tensor(
                    &Tensor::from_slice(&case.actions, shape, &Device::Cpu).unwrap(),
                )
                .unwrap();
                let (path, rewards) =
                    model.roll_graph(&case.start, history, &actions, horizon).unwrap();
                let weigh = |steps: &[Tensor], weights: &[f32]| {
                    let flat = Tensor::cat(steps, 0).unwrap().flatten_all().unwrap();
                    let weights = Tensor::from_slice(weights, weights.len(), &Device::Cpu).unwrap();
                    (flat * weights).unwrap().sum_all().unwrap()
                };
                let mut cost = weigh(&path, &by_latents);
                if with_rewards {
                    cost = (cost + weigh(&rewards, &by_rewards)).unwrap();
                }
                let store = cost.backward().unwrap();
                let want = store.get(actions.as_tensor()).unwrap();
                let want = want.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let got = got(&mut fast, with_rewards);
                close(&got, &want, 1e-4);

                let price = |actions: &[f32]| {
                    let mut fast = fast.clone();
                    let path = fast.roll(&case.start, history, actions, samples, horizon).to_vec();
                    let rewards = fast.rewards(&case.start, actions, samples, horizon).unwrap();
                    let dot = |a: &[f32], b: &[f32]| {
                        a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>()
                    };
                    dot(&path, &by_latents)
                        + if with_rewards { dot(&rewards, &by_rewards) } else { 0.0 }
                };
                for index in (0..got.len()).step_by(7) {
                    let at = |delta: f32| {
                        let mut moved = case.actions.clone();
                        moved[index] += delta;
                        price(&moved)
                    };
                    let numeric = ((at(1e-2) - at(-1e-2)) / 2e-2) as f32;
                    let error = (numeric - got[index]).abs();
                    assert!(error < 1e-2 * numeric.abs().max(1.0), "{numeric} {}", got[index]);
                }
            }
        }
    }
}

#[test]
fn spread_is_the_variance_of_the_members() {
    for kind in kinds() {
        let case = Case::new(4, 1);
        let history = Some((&case.latents[..], &case.blocks[..]));
        let mut single = model(kind.clone()).latent_rollout().unwrap();
        case.roll(&mut single, history);
        assert!(single.spread().is_none());

        let model = ensemble(kind, 3);
        let mut fast = model.latent_rollout().unwrap();
        let [mean, _] = case.roll(&mut fast, history);
        let alone: Vec<Vec<f32>> = (0..3)
            .map(|member| {
                let actions = Tensor::from_slice(&case.actions, (4, BLOCK), &Device::Cpu).unwrap();
                let member = &model.predictors[member..=member];
                let path = model.roll_members(member, &case.start, history, &actions, 1).unwrap().0;
                path[0].flatten_all().unwrap().to_vec1().unwrap()
            })
            .collect();
        let spread = fast.spread().unwrap();
        assert_eq!(spread.len(), 4);
        for (sample, spread) in spread.iter().enumerate() {
            let square = |i: usize| {
                let at = sample * D + i;
                alone.iter().map(|z| (z[at] - mean[at]).powi(2)).sum::<f32>() / 3.0
            };
            let want = (0..D).map(square).sum::<f32>() / D as f32;
            assert!((spread - want).abs() < 1e-4 * want.max(1.0) && want > 0.0, "{spread} {want}");
        }
    }
}

#[test]
fn a_rollout_may_move_to_another_thread_and_be_looked_at_from_several() {
    fn both<T: Send + Sync>() {}
    both::<LatentRollout>();
}
