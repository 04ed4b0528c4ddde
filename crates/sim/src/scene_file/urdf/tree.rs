//! How the links hang together.

use super::joint::Hinged;
use super::link::Link;
use crate::SimError;
use crate::error::listed;
use crate::scene_file::xml::Element;

/// A tree of links, each below its parent through a joint.
pub(super) struct Tree {
    pub root: usize,
    /// All links, parents first, with the joints above them.
    pub order: Vec<(usize, Option<usize>)>,
}

impl Tree {
    pub fn new(robot: &Element, links: &[Link], joints: &[Hinged]) -> Result<Self, SimError> {
        let mut above = vec![None; links.len()];
        for (index, joint) in joints.iter().enumerate() {
            if above[joint.child].replace(index).is_some() {
                let name = &links[joint.child].name;
                let problem =
                    format!("a second joint has the child `{name}`; a link has one parent");
                return Err(joint.place.wrong(problem));
            }
        }
        let roots: Vec<usize> = (0..links.len()).filter(|&link| above[link].is_none()).collect();
        let &[root] = roots.as_slice() else {
            let names = listed(roots.iter().map(|&root| links[root].name.as_str()));
            return Err(robot.place.wrong(format!(
                "a robot has one link that is no joint's child, but here these are: {names}"
            )));
        };
        let mut order = Vec::new();
        let mut open = vec![root];
        while let Some(link) = open.pop() {
            order.push((link, above[link]));
            let below = joints.iter().rev().filter(|joint| joint.parent == link);
            open.extend(below.map(|joint| joint.child));
        }
        // What the root does not reach hangs on itself.
        if let Some(lost) = (0..links.len()).find(|&link| order.iter().all(|(at, _)| *at != link)) {
            let problem = format!("the link `{}` is in a loop of joints", links[lost].name);
            return Err(robot.place.wrong(problem));
        }
        Ok(Self { root, order })
    }

    /// The links that are fixed to `link` from below, and itself.
    pub fn welded(&self, link: usize, joints: &[Hinged]) -> impl Iterator<Item = usize> {
        let mut found = vec![link];
        for &(below, joint) in &self.order {
            let joint = joint.map(|joint| &joints[joint]).filter(|joint| joint.joints.is_empty());
            if joint.is_some_and(|joint| found.contains(&joint.parent)) {
                found.push(below);
            }
        }
        found.into_iter()
    }

    /// Pairs of links next to each other across a joint of a base that is fixed. MuJoCo's filter, which
    /// lets neighbours overlap, makes an exception for what is fixed to the world.
    pub fn adjacent(&self, joints: &[Hinged]) -> impl Iterator<Item = [usize; 2]> {
        let base: Vec<usize> = self.welded(self.root, joints).collect();
        let mut pairs = Vec::new();
        for joint in joints.iter().filter(|joint| !joint.joints.is_empty()) {
            if base.contains(&joint.parent) {
                for above in &base {
                    pairs.extend(self.welded(joint.child, joints).map(|below| [*above, below]));
                }
            }
        }
        pairs.into_iter()
    }
}
