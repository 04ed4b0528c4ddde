//! The whole network under all terms at once.

use super::*;
use crate::config::{
    InverseDynamicsConfig, ModelConfig, ModelInput, ModelSpec, PredictorConfig, RewardConfig,
    Schedule,
};
use crate::encoder::tests::{kinds, senses};
use crate::layers::values;
use crate::ops::check;
use housecat_core::Seed;

const LENGTH: usize = 4;
const SIZE: usize = 6;

/// Every term there is.
fn terms() -> Vec<LossConfig> {
    let weight = 1.0;
    let schedule = Schedule { start: 0.3, end: 0.3, from: 0.0, to: 1.0 };
    vec![
        LossConfig::NextLatent { weight },
        LossConfig::Rollout { weight },
        LossConfig::Sigreg { weight: schedule, projections: 8, knots: 9 },
        LossConfig::Variance { weight },
        LossConfig::Covariance { weight },
        LossConfig::TimeVariance { weight },
        LossConfig::TimeCovariance { weight },
        LossConfig::TemporalSimilarity { weight },
        LossConfig::TemporalStraightening { weight },
        LossConfig::InverseDynamics { weight },
        LossConfig::Reward { weight },
    ]
}

fn predictors() -> [PredictorConfig; 2] {
    [
        PredictorConfig::Residual { hidden: 7, depth: 2, action_dim: 4 },
        PredictorConfig::Transformer {
            depth: 1,
            heads: 2,
            head_dim: 3,
            mlp: 8,
            history: 2,
            dropout: 0.1,
        },
    ]
}

/// A model off its starting weights, with every head.
fn model(
    encoder: crate::EncoderConfig,
    input: &ModelInput,
    predictor: PredictorConfig,
) -> WorldModel {
    let spec = ModelSpec {
        format: ModelSpec::FORMAT,
        sim: "test".into(),
        input: input.clone(),
        actions: vec!["x".into()],
        model: ModelConfig {
            latent_dim: 5,
            action_repeat: 2,
            encoder,
            predictor,
            ensemble: 1,
            reward: Some(RewardConfig { hidden: 4 }),
            inverse_dynamics: Some(InverseDynamicsConfig { hidden: 6 }),
        },
    };
    let model = WorldModel::new(spec, Seed::new(0)).unwrap();
    for (name, var) in &model.variables {
        let moved = check::normal(name, var.dims()).as_tensor() * 0.2;
        var.set(&(var.as_tensor() + moved).unwrap()).unwrap();
    }
    model
}

fn batch(input: &ModelInput, stride: usize) -> Batch {
    let rows = (LENGTH - 1) * SIZE;
    let random =
        |name: &str, columns| check::normal(name, &[stride * rows, columns]).as_tensor().detach();
    Batch {
        size: SIZE,
        length: LENGTH,
        stride,
        input: Input::Frames(senses(input, LENGTH * SIZE)),
        blocks: random("blocks", 2),
        rewards: random("rewards", 1),
        history: Tensor::ones((rows, 1), DType::F32, &Device::Cpu).unwrap(),
    }
}

fn loss(
    model: &WorldModel,
    batch: &Batch,
    terms: &[LossConfig],
) -> Result<(Tensor, BTreeMap<&'static str, f32>, Pass)> {
    // The same streams drop and project the same way every time.
    let pass = Pass::train(Seed::new(1).rng(), crate::Precision::F32, Default::default());
    let predictions = Predictions::new(model, batch, &pass)?;
    let mut rng = Seed::new(2).rng();
    let (loss, metrics) = total_loss(terms.iter(), &predictions, batch, 0.5, &mut rng)?;
    Ok((loss, metrics, pass))
}

#[test]
fn every_variable_of_every_encoder_and_predictor_gets_a_gradient() {
    let folder = tempfile::tempdir().unwrap();
    for (encoder, input) in kinds(folder.path()) {
        for predictor in predictors() {
            let model = model(encoder.clone(), &input, predictor.clone());
            let (loss, metrics, pass) = loss(&model, &batch(&input, 1), &terms()).unwrap();
            assert!(metrics.values().all(|value| value.is_finite()), "{metrics:?}");
            let store = loss.backward().unwrap();
            for (name, var) in &model.variables {
                let grad = pass.gradient(&store, var).unwrap();
                // Batch normalisation takes out what is added to all rows before it, and the gradient with it; so does
                // a softmax over a map with what is added to all of it.
                let lost = ["encoder.maps.norm.beta", "predictor.norm.beta"].contains(&&name[..]);
                let may_be_lost = lost || name.ends_with(".bias");
                let largest =
                    grad.map(|grad| grad.iter().fold(0.0_f32, |most, g| most.max(g.abs())));
                let some = largest.is_some_and(|largest| may_be_lost || largest > 1e-7);
                assert!(some, "{encoder:?}, {predictor:?}: `{name}` gets no gradient");
                assert!(!lost || largest < Some(1e-5), "`{name}` gets one: {largest:?}");
            }
        }
    }
}

#[test]
fn gradients_of_every_term_match_differences() {
    let names = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let input = ModelInput::State { names };
    let encoder = crate::EncoderConfig::Mlp { hidden: 6 };
    let strides = [1, 2].map(|stride| batch(&input, stride));
    for (predictor, batch) in
        predictors().into_iter().flat_map(|p| strides.iter().map(move |b| (p.clone(), b)))
    {
        let model = model(encoder.clone(), &input, predictor);
        for term in terms() {
            if batch.stride > 1 && matches!(term, LossConfig::InverseDynamics { .. }) {
                continue; // refused by the configuration
            }
            let terms = [term];
            let (total, _, pass) = loss(&model, batch, &terms).unwrap();
            let store = total.backward().unwrap();
            let vars: Vec<_> = model
                .variables
                .iter()
                .map(|(_, var)| var)
                .filter(|var| pass.gradient(&store, var).unwrap().is_some())
                .collect();
            assert!(!vars.is_empty(), "{terms:?} trains nothing");
            check::gradients_left(&vars, 1e-3, 3e-2, &|| {
                let (total, _, pass) = loss(&model, batch, &terms)?;
                Ok((total, pass.products().gradients))
            });
        }
    }
}

#[test]
fn a_stride_passes_over_observations_and_not_over_blocks() {
    let names = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let input = ModelInput::State { names };
    let latents = check::normal("latents", &[(2 * LENGTH - 1) * SIZE, 5]).as_tensor().detach();
    let at = |rows: &Tensor, t: usize| rows.narrow(0, t * SIZE, SIZE).unwrap();
    let ones = |rows| Tensor::ones((rows, 1), DType::F32, &Device::Cpu).unwrap();
    let steps = 2 * (LENGTH - 1);
    let blocks = check::normal("blocks", &[steps * SIZE, 2]).as_tensor().detach();
    let every = Batch {
        length: 2 * LENGTH - 1,
        input: Input::Latents(latents.clone()),
        blocks: blocks.clone(),
        history: ones(steps * SIZE),
        ..batch(&input, 1)
    };
    let seen: Vec<Tensor> = (0..LENGTH).map(|t| at(&latents, 2 * t)).collect();
    let order = (0..steps).step_by(2).chain((1..steps).step_by(2));
    let ordered: Vec<Tensor> = order.map(|t| at(&blocks, t)).collect();
    let second = Batch {
        input: Input::Latents(Tensor::cat(&seen, 0).unwrap()),
        blocks: Tensor::cat(&ordered, 0).unwrap(),
        ..batch(&input, 2)
    };
    for predictor in predictors() {
        let model = model(crate::EncoderConfig::Mlp { hidden: 6 }, &input, predictor);
        let whole = Predictions::new(&model, &every, &Pass::Look).unwrap();
        let strided = Predictions::new(&model, &second, &Pass::Look).unwrap();
        for t in 0..LENGTH - 1 {
            let [want, got] = [at(&whole.open_loop[0], 2 * t + 1), at(&strided.open_loop[0], t)];
            assert_eq!(values(&want).unwrap(), values(&got).unwrap());
        }
        let [want, got] = [at(&strided.open_loop[0], 0), at(&strided.forced[0], 0)];
        for (want, got) in values(&want).unwrap().iter().zip(values(&got).unwrap()) {
            assert!((want - got).abs() < 1e-5, "from the first latent both are the same");
        }
    }
}
