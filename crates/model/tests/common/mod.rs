//! What tests train on.

use housecat_core::{Experience, ImageSpec, Seed};

/// A dot that moves as told on a 16 x 16 image, with its position as state.
pub fn world(episodes: usize, length: usize) -> Experience {
    let image = ImageSpec { camera: "top".into(), width: 16, height: 16 };
    let mut experience = Experience {
        image: Some(image),
        state_names: vec!["x".into(), "y".into()],
        privileged_names: vec!["x".into()],
        action_dim: 2,
        ..Experience::default()
    };
    let mut images = Vec::new();
    for episode in 0..episodes {
        let mut rng = Seed::new(9).child("episode", episode as u64).rng();
        let mut at = [rng.uniform(3.0, 12.0), rng.uniform(3.0, 12.0)];
        let first = experience.frames();
        for _ in 0..length {
            for y in 0..16 {
                for x in 0..16 {
                    let d2 = (x as f32 - at[0]).powi(2) + (y as f32 - at[1]).powi(2);
                    let value = (255.0 / (1.0 + d2)) as u8;
                    images.extend([value, 0, 255 - value]);
                }
            }
            experience.state.extend(at);
            experience.privileged.push(at[0]);
            let action = [rng.uniform(-1.0, 1.0), rng.uniform(-1.0, 1.0)];
            experience.actions.extend(action);
            experience.rewards.push(at[0] * 0.1);
            for (at, action) in at.iter_mut().zip(action) {
                *at = (*at + action).clamp(2.0, 13.0);
            }
        }
        experience.episodes.push(first..experience.frames());
    }
    experience.images = images.into();
    experience
}
