//! World models: encoders, predictors, losses, optimiser, trainer, checkpoints, fast latent rollout
