//! Factors of variation: what `[vary]` declares, what a user asks to be varied, and how it is drawn.

mod apply;
mod resolve;

pub(crate) use apply::{Blueprint, Variant};
pub(crate) use resolve::resolve;

use crate::SimError;
use crate::error::suggestions;
use apply::Change;
use housecat_core::{Level, Levels, Seed};

/// A factor of variation that a sim declares in `[vary]`.
#[derive(Clone, Debug)]
pub struct Factor {
    /// `table.key`, for example `light.intensity`.
    pub name: String,
    /// What it changes: `light`, `colour`, `camera`, `texture`, `friction`, `mass`, `damping`, `size`, `shape`,
    /// `start`, `goal` or `gravity`.
    pub kind: &'static str,
    /// What it is where it is not varied: what leaves the world as the sim's files have it.
    pub default: Level,
    /// What it may be.
    pub levels: Levels,
    pub(crate) change: Change,
}

/// A factor that a user varies, and over what.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Index of the factor.
    pub factor: usize,
    /// A part of the factor's levels.
    pub levels: Levels,
}

impl Asked {
    /// The level of an episode.
    pub(crate) fn draw(&self, factors: &[Factor], seed: Seed) -> Level {
        // A stream for each factor: what else varies makes no difference to its levels.
        let mut rng = seed.child("vary", 0).child(&factors[self.factor].name, 0).rng();
        match &self.levels {
            Levels::Range([low, high]) => Level::Number(rng.uniform_f64(*low, *high)),
            Levels::Choices(names) => Level::Choice(names[rng.index(names.len())].clone()),
        }
    }
}

/// Understands what a user asks: `all`, or a factor (or a table: all factors in it) with, after `=`, a
/// value, a range `LOW..HIGH`, or alternatives `A|B`; without, all that is declared.
pub(crate) fn ask(sim: &str, factors: &[Factor], text: &str) -> Result<Vec<Asked>, SimError> {
    let wrong =
        |problem: String| SimError::Vary { sim: sim.to_owned(), asked: text.to_owned(), problem };
    let (name, levels) = match text.split_once('=') {
        Some((name, levels)) => (name.trim(), Some(levels.trim())),
        None => (text.trim(), None),
    };
    let named = |factor: &Factor| {
        let table = factor.name.split_once('.').map(|(table, _)| table);
        name == "all" || factor.name == name || table == Some(name)
    };
    let chosen: Vec<usize> = (0..factors.len()).filter(|&i| named(&factors[i])).collect();
    if chosen.is_empty() {
        let mut tables: Vec<_> =
            factors.iter().filter_map(|one| one.name.split('.').next()).collect();
        tables.dedup();
        return Err(wrong(match tables.is_empty() {
            true => "its sim.toml declares no factors in [vary]".to_owned(),
            false => format!(
                "there is no such factor; it has `all` and {}; `housecat sims {sim}` lists their ranges",
                suggestions(name, tables.iter().copied())
            ),
        }));
    }
    let Some(levels) = levels else {
        let whole = |&factor: &usize| Asked { factor, levels: factors[factor].levels.clone() };
        return Ok(chosen.iter().map(whole).collect());
    };
    let &[factor] = chosen.as_slice() else {
        let names: Vec<_> = chosen.iter().map(|&i| factors[i].name.as_str()).collect();
        return Err(wrong(format!(
            "several factors take no common value; name one of {}",
            names.join(", ")
        )));
    };
    let Factor { name, levels: declared, .. } = &factors[factor];
    let levels = match declared {
        Levels::Range([low, high]) => {
            let number = |text: &str| {
                let needs = || wrong("needs a number, or two: LOW..HIGH".to_owned());
                text.trim().parse::<f64>().map_err(|_| needs())
            };
            let (from, to) = levels.split_once("..").unwrap_or((levels, levels));
            let (from, to) = (number(from)?, number(to)?);
            if !(low <= &from && from <= to && &to <= high) {
                return Err(wrong(format!(
                    "`{name}` has the range {declared}, the lower end first"
                )));
            }
            Levels::Range([from, to])
        }
        Levels::Choices(known) => {
            let names: Vec<_> = levels.split('|').map(|name| name.trim().to_owned()).collect();
            if let Some(other) = names.iter().find(|name| !known.contains(name)) {
                let known = suggestions(other, known.iter().map(String::as_str));
                return Err(wrong(format!("`{name}` is not `{other}`; it is one of {known}")));
            }
            Levels::Choices(names)
        }
    };
    Ok(vec![Asked { factor, levels }])
}
