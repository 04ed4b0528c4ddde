//! Success by factor of variation: where in its range a factor helps, and where it hurts.

use crate::report::ArmSuccess;
use housecat_core::{Level, Levels, Variation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Success where a factor was within a part of what it was drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactorSuccess {
    /// The part: a third of the range (the lower end belongs to it), or one alternative.
    pub levels: Levels,
    /// Success there.
    #[serde(flatten)]
    pub success: ArmSuccess,
}

/// Divides episodes, each with its factors and whether it succeeded, by each factor that varies: into the
/// lower, middle and upper third of its range, or by alternative. A factor with one value has one part.
pub(crate) fn success_by_factor(
    episodes: &[(&Variation, bool)],
) -> BTreeMap<String, Vec<FactorSuccess>> {
    let Some((first, _)) = episodes.first() else { return BTreeMap::new() };
    let divide = |(name, varied): (&String, &housecat_core::Varied)| {
        let parts = parts(&varied.among);
        let part_of = |variation: &Variation| {
            let level = &variation.get(name)?.level;
            parts.iter().rposition(|part| holds(part, level))
        };
        let placed: Vec<_> =
            episodes.iter().map(|(variation, success)| (part_of(variation), *success)).collect();
        let judge = |(index, levels): (usize, &Levels)| {
            let here = placed.iter().filter(|(part, _)| *part == Some(index));
            let successes = here.clone().filter(|(_, success)| *success).count();
            FactorSuccess {
                levels: levels.clone(),
                success: ArmSuccess::of(successes, here.count()),
            }
        };
        (name.clone(), parts.iter().enumerate().map(judge).collect())
    };
    first.iter().map(divide).collect()
}

fn parts(among: &Levels) -> Vec<Levels> {
    match among {
        Levels::Range([low, high]) if low == high => vec![among.clone()],
        Levels::Range([low, high]) => {
            let end = |third: f64| low + (high - low) * third / 3.0;
            [0.0, 1.0, 2.0].map(|third| Levels::Range([end(third), end(third + 1.0)])).to_vec()
        }
        Levels::Choices(names) => {
            names.iter().map(|name| Levels::Choices(vec![name.clone()])).collect()
        }
    }
}

/// Both ends count, so where parts meet the later one is meant.
fn holds(part: &Levels, level: &Level) -> bool {
    match (part, level) {
        (Levels::Range([low, high]), Level::Number(value)) => (low..=high).contains(&value),
        (Levels::Choices(names), Level::Choice(name)) => names.contains(name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Varied;

    #[test]
    fn episodes_are_divided_by_thirds_and_by_alternative() {
        let episode = |light: f64, shape: &str| {
            let range = Levels::Range([0.0, 3.0]);
            let shapes = Levels::Choices(vec!["T".into(), "L".into()]);
            Variation::from([
                ("light".to_owned(), Varied { level: Level::Number(light), among: range }),
                ("shape".to_owned(), Varied { level: Level::Choice(shape.into()), among: shapes }),
            ])
        };
        let all = [(0.0, "T"), (0.5, "L"), (1.0, "T"), (2.9, "T"), (3.0, "L")]
            .map(|(light, shape)| episode(light, shape));
        let solved = [true, false, true, false, false];
        let episodes: Vec<_> = all.iter().zip(solved).collect();
        let by = success_by_factor(&episodes);
        let count = |name: &str| {
            by[name].iter().map(|part| (part.success.successes, part.success.n)).collect::<Vec<_>>()
        };
        assert_eq!(count("light"), [(1, 2), (1, 1), (0, 2)]);
        assert_eq!(count("shape"), [(2, 3), (0, 2)]);
        assert_eq!(by["light"][1].levels, Levels::Range([1.0, 2.0]));
        assert!(success_by_factor(&[]).is_empty());
    }
}
