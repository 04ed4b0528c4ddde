//! What was experienced, as latents: where a planner looks for what worked in a situation like this one.

use crate::checkpoint::{fetch_any, serialize, write_file};
use crate::error::io;
use crate::prior::STEPS;
use crate::route::neighbours;
use crate::world_model::NamedArray;
use crate::{Distance, ModelError, Prior, WorldModel};
use housecat_core::Experience;
use safetensors::SafeTensors;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

/// The latents of a dataset at block boundaries and the blocks between, with a [`Prior`] learned from them.
/// Rows are in the order of time, episode by episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    pub(crate) latent_dim: usize,
    pub(crate) block_dim: usize,
    /// `[N, D]`.
    pub(crate) latents: Vec<f32>,
    /// The block executed from each row on, `[N, block]`; 0 in the last row of an episode.
    pub(crate) blocks: Vec<f32>,
    /// The rows of each episode.
    pub(crate) episodes: Vec<Range<usize>>,
    neighbours: OnceLock<Vec<u32>>,
    /// What was mostly done.
    pub prior: Prior,
}

/// Rows that are kept, at most: finding neighbours takes the square of them.
const ROWS: usize = 50_000;

impl Memory {
    /// Encodes an experience with a trained model, unless the latents of all its frames are known `[N, D]`, and learns the prior;
    /// the same seed gives the same bits at any number of threads.
    ///
    /// # Errors
    /// If the experience lacks what the model sees, or holds no whole block.
    pub fn new(
        model: &WorldModel,
        experience: &Experience,
        known: Option<&[f32]>,
        seed: housecat_core::Seed,
        threads: usize,
    ) -> Result<Self, ModelError> {
        let repeat = model.spec().model.action_repeat;
        let (latent_dim, block_dim) = (model.latent_dim(), model.spec().block_dim());
        let (mut frames, mut blocks, mut episodes) = (Vec::new(), Vec::new(), Vec::new());
        for episode in &experience.episodes {
            let first = frames.len();
            if first + episode.len().div_ceil(repeat) > ROWS {
                break;
            }
            for frame in episode.clone().step_by(repeat) {
                frames.push(frame);
                // The last frame's action leads nowhere.
                if frame + repeat < episode.end {
                    let at = frame * experience.action_dim;
                    blocks.extend_from_slice(&experience.actions[at..at + block_dim]);
                } else {
                    blocks.resize(blocks.len() + block_dim, 0.0);
                }
            }
            episodes.push(first..frames.len());
        }
        let latents = match known {
            Some(known) => frames
                .iter()
                .flat_map(|&frame| &known[frame * latent_dim..(frame + 1) * latent_dim])
                .copied()
                .collect(),
            None => model.encode_frames_on(threads, experience, &frames)?,
        };
        let prior =
            Prior::train(&latents, &blocks, &episodes, [latent_dim, block_dim], STEPS, seed)?;
        let neighbours = OnceLock::new();
        Ok(Self { latent_dim, block_dim, latents, blocks, episodes, neighbours, prior })
    }

    /// The rows of other episodes whose latents are nearest to each row's, `[N, NEIGHBOURS]`, nearest first: the graph of
    /// [`Routes`](crate::Routes). They are found when first asked for, in seconds for many rows.
    pub fn neighbours(&self) -> &[u32] {
        self.neighbours.get_or_init(|| neighbours(&self.latents, self.latent_dim, &self.episodes))
    }

    /// The distance in units of what its blocks change.
    pub fn distance(&self) -> Distance {
        Distance::of(&self.latents, &self.episodes, self.latent_dim)
    }

    /// The latent of a row, `[D]`.
    pub(crate) fn latent(&self, row: usize) -> &[f32] {
        &self.latents[row * self.latent_dim..(row + 1) * self.latent_dim]
    }

    /// Plans `[horizon * block]` that were executed where the latent was like `now` and, with a goal, that came by
    /// a latent like `goal`: at most `count`, the nearest first, no two of them from nearly the same place. The
    /// nearness is the squared distance of the start plus the least one to the goal within the horizon.
    pub fn recall(
        &self,
        now: &[f32],
        goal: Option<&[f32]>,
        horizon: usize,
        count: usize,
    ) -> Vec<Vec<f32>> {
        let apart = |row: usize, to: &[f32]| -> f32 {
            self.latent(row).iter().zip(to).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        let to_goal: Option<Vec<f32>> = goal.map(|goal| {
            (0..self.latents.len() / self.latent_dim).map(|row| apart(row, goal)).collect()
        });
        let mut scored = Vec::new();
        for (index, episode) in self.episodes.iter().enumerate() {
            for row in episode.start..episode.end.saturating_sub(1) {
                let reach = row + 1..episode.end.min(row + 1 + horizon);
                let least = to_goal.as_ref().map_or(0.0, |to_goal| {
                    to_goal[reach].iter().copied().fold(f32::INFINITY, f32::min)
                });
                scored.push((apart(row, now) + least, index, row));
            }
        }
        scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
        let mut chosen: Vec<(usize, usize)> = Vec::new();
        for (_, index, row) in scored {
            if chosen.len() == count {
                break;
            }
            if chosen.iter().all(|&(other, at)| other != index || at.abs_diff(row) > 2) {
                chosen.push((index, row));
            }
        }
        let plan = |&(index, row): &(usize, usize)| {
            let end = self.episodes[index].end.min(row + horizon);
            let mut plan = self.blocks[row * self.block_dim..end * self.block_dim].to_vec();
            plan.resize(horizon * self.block_dim, 0.0);
            plan
        };
        chosen.iter().map(plan).collect()
    }

    /// Writes the memory as safetensors; the file appears whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let array = |name: &str, shape: Vec<usize>, values: &[f32]| NamedArray {
            name: name.to_owned(),
            shape,
            values: values.to_vec(),
        };
        let rows = self.latents.len() / self.latent_dim;
        // Rows are below 2^24, which f32 counts exactly.
        let ends: Vec<f32> = self.episodes.iter().map(|episode| episode.end as f32).collect();
        let mut arrays = vec![
            array("latents", vec![rows, self.latent_dim], &self.latents),
            array("blocks", vec![rows, self.block_dim], &self.blocks),
            array("episode_ends", vec![ends.len()], &ends),
        ];
        arrays.extend(self.prior.arrays());
        let partial = path.with_extension("partial");
        write_file(&partial, &serialize(&arrays)?)?;
        std::fs::rename(&partial, path).map_err(io(path))
    }

    /// Reads a memory.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(io(path))?;
        let bad = |what: &str| {
            ModelError::Data(format!(
                "{}: {what}; delete it and run the training again",
                path.display()
            ))
        };
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(&error.to_string()))?;
        let (latents, shape) = fetch_any(path, &tensors, "latents")?;
        let (blocks, blocks_shape) = fetch_any(path, &tensors, "blocks")?;
        let (ends, _) = fetch_any(path, &tensors, "episode_ends")?;
        let (&[rows, latent_dim], &[block_rows, block_dim]) = (&shape[..], &blocks_shape[..])
        else {
            return Err(bad("latents and blocks are not matrices"));
        };
        let mut start = 0;
        let mut episodes = Vec::with_capacity(ends.len());
        for end in ends {
            let end = end as usize;
            if end < start || end > rows {
                return Err(bad("its episodes are not in order"));
            }
            episodes.push(start..end);
            start = end;
        }
        if block_rows != rows || latent_dim == 0 || block_dim == 0 {
            return Err(bad("latents and blocks do not belong together"));
        }
        let prior = Prior::load(path, &tensors, [latent_dim, block_dim])?;
        let neighbours = OnceLock::new();
        Ok(Self { latent_dim, block_dim, latents, blocks, episodes, neighbours, prior })
    }

    /// Whether its latents and blocks have a model's sizes.
    pub fn fits(&self, model: &WorldModel) -> bool {
        (self.latent_dim, self.block_dim) == (model.latent_dim(), model.spec().block_dim())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use housecat_core::Seed;

    /// One of latents and blocks of two components, from which hardly anything is learned.
    pub(crate) fn of(latents: Vec<f32>, blocks: Vec<f32>, episodes: Vec<Range<usize>>) -> Memory {
        let prior = Prior::train(&latents, &blocks, &episodes, [2, 2], 1, Seed::new(1)).unwrap();
        let neighbours = OnceLock::new();
        let (latent_dim, block_dim) = (2, 2);
        Memory { latent_dim, block_dim, latents, blocks, episodes, neighbours, prior }
    }

    /// Two episodes of a world that adds its block to its latent.
    pub(crate) fn memory() -> Memory {
        let mut rng = Seed::new(4).rng();
        let (mut latents, mut blocks, mut episodes) = (Vec::new(), Vec::new(), Vec::new());
        for episode in 0..20 {
            let mut z = [rng.uniform(-1.0, 1.0), rng.uniform(-1.0, 1.0)];
            for step in 0..12 {
                latents.extend(z);
                let block =
                    if step == 11 { [0.0; 2] } else { [(); 2].map(|()| rng.uniform(-0.5, 0.5)) };
                blocks.extend(block);
                z = [z[0] + block[0], z[1] + block[1]];
            }
            episodes.push(episode * 12..episode * 12 + 12);
        }
        of(latents, blocks, episodes)
    }

    #[test]
    fn what_led_from_here_to_there_is_recalled_first() {
        let memory = memory();
        let (now, goal) = (&memory.latents[40..42], &memory.latents[46..48]);
        let plans = memory.recall(now, Some(goal), 4, 5);
        assert_eq!(plans.len(), 5);
        assert_eq!(plans[0][..6], memory.blocks[40..46]);
        assert_eq!(memory.recall(now, None, 4, 1)[0], memory.blocks[40..48]);
        // At an episode's end the plan is filled up with nothing.
        let plan = &memory.recall(&memory.latents[44..46], None, 4, 1)[0];
        assert_eq!((&plan[..4], &plan[4..]), (&memory.blocks[44..48], &[0.0; 4][..]));
        assert!(memory.recall(now, None, 4, 1000).len() < 1000);
    }

    #[test]
    fn a_memory_is_the_same_after_a_file() {
        let folder = std::env::temp_dir().join(format!("housecat-memory-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("memory.safetensors");
        let memory = memory();
        memory.save(&path).unwrap();
        assert_eq!(Memory::load(&path).unwrap(), memory);
        std::fs::write(&path, b"nothing").unwrap();
        let error = Memory::load(&path).unwrap_err().to_string();
        assert!(error.contains("memory.safetensors") && error.contains("again"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
