//! A training of seconds.

use housecat_model::{LossConfig, OptimizerConfig, Precision, Schedule, TrainConfig};

/// With every kind of loss that a model with a reward head needs.
pub fn train_config(steps: u64) -> TrainConfig {
    TrainConfig {
        steps,
        batch: 16,
        window: 4,
        stride: 1,
        history_dropout: 0.2,
        validation: 0.2,
        checkpoint_every: 5,
        precision: Precision::F32,
        optimizer: OptimizerConfig {
            learning_rate: 3e-3,
            muon: None,
            weight_decay: 1e-3,
            warmup: 0.05,
            clip_norm: 1.0,
        },
        loss: vec![
            LossConfig::NextLatent { weight: 1.0 },
            LossConfig::Rollout { weight: 1.0 },
            LossConfig::Sigreg {
                weight: Schedule { start: 0.2, end: 0.05, from: 0.2, to: 0.6 },
                projections: 16,
                knots: 9,
            },
            LossConfig::Reward { weight: 0.5 },
        ],
        predictor: None,
    }
}
