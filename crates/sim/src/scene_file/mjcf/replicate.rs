//! `<replicate>`: copies of what it holds, each moved and turned against the one before.

use super::Context;
use crate::SimError;
use crate::scene_file::rotation;
use crate::scene_file::xml::Element;
use housecat_physics::{Pose, Vec3};

/// The copies with their poses; `budget` is how many elements may still be made.
pub(super) fn copies(
    element: &Element,
    budget: &mut usize,
    context: &Context,
) -> Result<Vec<(Pose, Vec<Element>)>, SimError> {
    element.read(&context.notices, &[], |a| {
        let children = a.children();
        let count = a.integer("count")?.ok_or_else(|| a.wrong("needs a `count`"))?;
        let count = usize::try_from(count).map_err(|_| a.wrong("has a negative `count`"))?;
        let offset = Vec3::from(a.numbers("offset")?.unwrap_or_default());
        let step = rotation::pose(offset, context.compiler.turn(a)?);
        let separator = a.word("sep").unwrap_or_default();
        let size = children.iter().map(size).sum::<usize>().max(1);
        *budget = size
            .checked_mul(count)
            .and_then(|made| budget.checked_sub(made))
            .ok_or_else(|| a.wrong("makes more elements than a scene can hold"))?;
        // Numbers have as many digits as the last one.
        let digits = count.saturating_sub(1).to_string().len();
        let mut pose = Pose::identity();
        let mut copies = Vec::new();
        for index in 0..count {
            let mut copy = children.to_vec();
            let suffix = format!("{separator}{index:0digits$}");
            copy.iter_mut().for_each(|child| rename(child, &suffix));
            copies.push((pose, copy));
            pose *= step;
        }
        Ok(copies)
    })
}

fn size(element: &Element) -> usize {
    1 + element.children.iter().map(size).sum::<usize>()
}

fn rename(element: &mut Element, suffix: &str) {
    for attribute in element.attributes.iter_mut().filter(|found| &*found.name == "name") {
        attribute.value = format!("{}{suffix}", attribute.value).into();
    }
    element.children.iter_mut().for_each(|child| rename(child, suffix));
}
