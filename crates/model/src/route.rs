//! Long ways through what was experienced: a graph whose nodes are remembered latents (Savinov et al. 2018,
//! "Semi-parametric topological memory", arXiv 1803.00653; Eysenbach et al. 2019, "Search on the replay buffer",
//! arXiv 1906.05253). Where an episode went from one latent to the next there is an edge of one block; where
//! episodes come near each other there is one, the longer the further the latents are apart. The shortest way to a goal
//! gives subgoals to a planner that looks less far.

use crate::Memory;
use crate::ops::{Layout2, matmul};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Neighbours of a row that are remembered.
pub(crate) const NEIGHBOURS: usize = 8;
/// By this factor a way that nobody went is longer than it looks, and the more so the longer it is: see [`jump`].
const DOUBT: f32 = 1.5;
/// Rows nearest to a latent between which and it the straight way is believed in: at most so many, and a sixteenth
/// of a small memory.
const NEAR: usize = 32;

/// For each row, the rows of other episodes with the nearest latents, `[N, NEIGHBOURS]`, nearest first. Rows without
/// so many are their own neighbours.
pub(crate) fn neighbours(latents: &[f32], d: usize, episodes: &[Range<usize>]) -> Vec<u32> {
    const CHUNK: usize = 256;
    let rows = latents.len() / d;
    let squares: Vec<f32> =
        latents.chunks_exact(d).map(|latent| latent.iter().map(|z| z * z).sum()).collect();
    let mut found: Vec<u32> = (0..rows as u32).flat_map(|row| [row; NEIGHBOURS]).collect();
    let mut products = vec![0.0; CHUNK * rows];
    for episode in episodes {
        for start in episode.clone().step_by(CHUNK) {
            let chunk = CHUNK.min(episode.end - start);
            let products = &mut products[..chunk * rows];
            let own = &latents[start * d..(start + chunk) * d];
            let all = (latents, Layout2::Transposed);
            matmul([chunk, d, rows], (own, Layout2::Normal), all, products, false);
            for (offset, products) in products.chunks_exact(rows).enumerate() {
                let row = start + offset;
                let mut nearest = [(f32::INFINITY, row as u32); NEIGHBOURS];
                let outside = (0..episode.start).chain(episode.end..rows);
                for other in outside {
                    // Squared distance, but for what is the same for all.
                    let apart = squares[other] - 2.0 * products[other];
                    if apart < nearest[NEIGHBOURS - 1].0 {
                        let at = nearest.partition_point(|&(before, _)| before <= apart);
                        nearest[at..].rotate_right(1);
                        nearest[at] = (apart, other as u32);
                    }
                }
                let to = &mut found[row * NEIGHBOURS..(row + 1) * NEIGHBOURS];
                to.iter_mut().zip(nearest).for_each(|(to, (_, other))| *to = other);
            }
        }
    }
    found
}

/// The shortest ways from everywhere in a memory to one goal.
pub struct Routes<'m> {
    memory: &'m Memory,
    /// What counts as one block's change of the latent: the median of the memory.
    block: f32,
    /// Blocks to the goal from each row; infinite where there is no way.
    blocks: Vec<f32>,
    /// The next row on the way; a row itself where the goal is next.
    next: Vec<u32>,
}

/// A row with its way to the goal, shortest first on a heap.
#[derive(PartialEq)]
struct Reached(f32, u32);

impl Eq for Reached {}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reached {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.total_cmp(&self.0).then(other.1.cmp(&self.1))
    }
}

/// What a way of so many blocks counts that nobody went.
fn jump(blocks: f32) -> f32 {
    DOUBT * blocks * (1.0 + blocks)
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}

impl<'m> Routes<'m> {
    /// All ways to the latent `goal` `[D]` (Dijkstra 1959).
    pub fn new(memory: &'m Memory, goal: &[f32]) -> Self {
        let rows = memory.latents.len() / memory.latent_dim;
        let mut steps: Vec<f32> = (memory.episodes.iter())
            .flat_map(|episode| episode.start + 1..episode.end)
            .map(|row| apart(memory.latent(row - 1), memory.latent(row)))
            .collect();
        steps.sort_by(f32::total_cmp);
        let block = steps.get(steps.len() / 2).copied().unwrap_or(1.0).max(1e-6);
        let length = |a: &[f32], b: &[f32]| jump(apart(a, b) / block);

        // Edges backwards: which rows lead to a row, and how long that is.
        let mut sources: Vec<Vec<(u32, f32)>> = vec![Vec::new(); rows];
        for episode in &memory.episodes {
            let later = sources.iter_mut().enumerate().take(episode.end).skip(episode.start + 1);
            for (row, sources) in later {
                sources.push((row as u32 - 1, 1.0));
            }
        }
        for (row, others) in memory.neighbours().chunks_exact(NEIGHBOURS).enumerate() {
            for &other in others {
                let blocks = length(memory.latent(row), memory.latent(other as usize));
                sources[other as usize].push((row as u32, blocks));
                sources[row].push((other, blocks));
            }
        }
        let mut routes = Self {
            memory,
            block,
            blocks: vec![f32::INFINITY; rows],
            next: (0..rows as u32).collect(),
        };
        let mut open = BinaryHeap::new();
        for (row, blocks) in routes.near(goal) {
            routes.blocks[row] = blocks;
            open.push(Reached(blocks, row as u32));
        }
        while let Some(Reached(blocks, row)) = open.pop() {
            if blocks > routes.blocks[row as usize] {
                continue;
            }
            for &(source, length) in &sources[row as usize] {
                let total = blocks + length;
                if total < routes.blocks[source as usize] {
                    routes.blocks[source as usize] = total;
                    routes.next[source as usize] = row;
                    open.push(Reached(total, source));
                }
            }
        }
        routes
    }

    /// The rows nearest to a latent, with the blocks between.
    fn near(&self, to: &[f32]) -> Vec<(usize, f32)> {
        let length = |row| jump(apart(self.memory.latent(row), to) / self.block);
        let mut rows: Vec<(usize, f32)> =
            (0..self.blocks.len()).map(|row| (row, length(row))).collect();
        let count = NEAR.min(rows.len() / 16 + 1).min(rows.len());
        if count < rows.len() {
            rows.select_nth_unstable_by(count, |a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            rows.truncate(count);
        }
        rows
    }

    /// The row from which a latent's way to the goal is shortest, with its length in blocks.
    fn enter(&self, now: &[f32]) -> Option<(usize, f32)> {
        let ways = self.near(now).into_iter().map(|(row, blocks)| (row, blocks + self.blocks[row]));
        ways.min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
    }

    /// Blocks from the latent `now` `[D]` to the goal.
    pub fn length(&self, now: &[f32]) -> f32 {
        self.enter(now).map_or(f32::INFINITY, |(_, length)| length)
    }

    /// The latent `[D]` that lies `reach` blocks ahead on the way from `now`; `None` where the goal itself is as near.
    pub fn subgoal(&self, now: &[f32], reach: f32) -> Option<&'m [f32]> {
        let (mut row, length) = self.enter(now)?;
        if !length.is_finite() {
            return None;
        }
        while length - self.blocks[row] < reach {
            let next = self.next[row] as usize;
            if next == row {
                return None;
            }
            row = next;
        }
        Some(self.memory.latent(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Episodes along the sides of a U, none of which goes all the way.
    fn horseshoe() -> Memory {
        let mut latents = Vec::new();
        let mut episodes = Vec::new();
        let path = |s: f32| match s {
            s if s < 10.0 => [0.0, s],
            s if s < 14.0 => [s - 10.0, 10.0],
            s => [4.0, 24.0 - s],
        };
        for start in [0.0, 4.5, 9.0, 13.5, 18.0] {
            let first = latents.len() / 2;
            (0..7).for_each(|step| latents.extend(path(start + step as f32)));
            episodes.push(first..latents.len() / 2);
        }
        let blocks = vec![0.0; latents.len()];
        crate::memory::tests::of(latents, blocks, episodes)
    }

    #[test]
    fn subgoals_go_round_the_bend() {
        let memory = horseshoe();
        // The goal is 4 away as the crow flies, and 24 along what was walked.
        let routes = Routes::new(&memory, &[4.0, 0.0]);
        let length = routes.length(&[0.0, 0.0]);
        assert!((20.0..30.0).contains(&length), "{length}");
        let subgoal = routes.subgoal(&[0.0, 0.0], 4.0).unwrap();
        assert!(subgoal[0] == 0.0 && (3.0..6.0).contains(&subgoal[1]), "{subgoal:?}");
        let later = routes.subgoal(&[2.0, 10.0], 4.0).unwrap();
        assert!(later[0] == 4.0 && later[1] < 9.0, "{later:?}");
        assert!(routes.subgoal(&[4.0, 2.0], 4.0).is_none());
    }

    #[test]
    fn neighbours_are_of_other_episodes_and_nearest() {
        let memory = crate::memory::tests::memory();
        for row in [0, 17, 100] {
            let own = row / 12;
            let found = &memory.neighbours()[row * NEIGHBOURS..(row + 1) * NEIGHBOURS];
            let mut all: Vec<usize> =
                (0..memory.latents.len() / 2).filter(|other| other / 12 != own).collect();
            let from = |other: &usize| apart(memory.latent(row), memory.latent(*other));
            all.sort_by(|a, b| from(a).total_cmp(&from(b)));
            let worst = from(&(found[NEIGHBOURS - 1] as usize));
            assert!((worst - from(&all[NEIGHBOURS - 1])).abs() < 1e-4);
            assert!(found.iter().all(|&other| other as usize / 12 != own));
        }
    }
}
