//! The contenders: every combination of what is to be varied, on top of a recipe's planner.

use crate::args::CompareArgs;
use crate::config::{apply, value_of};
use anyhow::{Context as _, bail};
use housecat_agent::Search;
use housecat_plan::PlannerConfig;
use toml::{Table, Value};

/// Something that varies: its name and the settings it stands for, one alternative after the other.
struct Axis(Vec<Alternative>);

struct Alternative {
    /// As it appears in a contender's name; empty where there is nothing to choose.
    label: String,
    /// Keys below `[planner]` with their values.
    settings: Vec<(String, Value)>,
}

/// A combination: its label and the planner it makes.
pub struct Combination {
    /// What was varied, in words; empty where nothing was.
    pub label: String,
    /// The planner.
    pub search: Search,
}

/// All combinations of what the flags vary, on top of `base`.
///
/// # Errors
/// Names the flag, and the combination if it makes no sense.
pub fn combinations(args: &CompareArgs, base: &Search) -> anyhow::Result<Vec<Combination>> {
    let mut all = vec![(Vec::new(), Table::try_from(base)?)];
    for axis in axes(args, base)? {
        let with = |(labels, table): &(Vec<String>, Table), alternative: &Alternative| {
            let (mut labels, mut table) = (labels.clone(), table.clone());
            labels.extend(Some(alternative.label.clone()).filter(|label| !label.is_empty()));
            for (key, value) in &alternative.settings {
                apply(&mut table, key, value.clone()).with_context(|| format!("--grid {key}"))?;
            }
            anyhow::Ok((labels, table))
        };
        all = (all.iter())
            .flat_map(|before| axis.0.iter().map(move |alternative| with(before, alternative)))
            .collect::<anyhow::Result<_>>()?;
    }
    let finish = |(labels, table): (Vec<String>, Table)| {
        let label = labels.join(" ");
        let search: Search =
            table.try_into().with_context(|| format!("the contender `{label}`"))?;
        search.validate().with_context(|| format!("the contender `{label}`"))?;
        Ok(Combination { label, search })
    };
    all.into_iter().map(finish).collect()
}

fn axes(args: &CompareArgs, base: &Search) -> anyhow::Result<Vec<Axis>> {
    let mut axes = Vec::new();
    if !args.planner.is_empty() {
        let solver = |name: &String| {
            let Some(solver) = PlannerConfig::named(name) else {
                let known: Vec<&str> =
                    PlannerConfig::all().iter().map(PlannerConfig::name).collect();
                bail!("--planner {name}: known planners are {}", known.join(", "));
            };
            // The recipe's own solver keeps the recipe's hyper-parameters.
            let solver = if solver.name() == base.solver.name() { &base.solver } else { &solver };
            let settings = vec![("solver".to_owned(), Value::try_from(solver)?)];
            Ok(Alternative { label: name.clone(), settings })
        };
        axes.push(Axis(args.planner.iter().map(solver).collect::<anyhow::Result<_>>()?));
    } else {
        axes.push(Axis(vec![Alternative {
            label: base.solver.name().to_owned(),
            settings: Vec::new(),
        }]));
    }
    let integers = |key: &str, values: &[usize]| {
        let alternative = |&value: &usize| {
            let mut settings = vec![(key.to_owned(), Value::Integer(value as i64))];
            if key == "iterations" {
                let warm = Value::Integer(value.div_ceil(2) as i64);
                settings.push(("warm_iterations".to_owned(), warm));
            }
            Alternative { label: format!("{key}={value}"), settings }
        };
        (!values.is_empty()).then(|| Axis(values.iter().map(alternative).collect()))
    };
    axes.extend(integers("samples", &args.samples));
    axes.extend(integers("iterations", &args.iterations));
    axes.extend(integers("horizon", &args.horizon));
    if !args.deadline_ms.is_empty() {
        let alternative = |&ms: &f64| Alternative {
            label: format!("deadline_ms={ms}"),
            settings: vec![("deadline_ms".to_owned(), Value::Float(ms))],
        };
        axes.push(Axis(args.deadline_ms.iter().map(alternative).collect()));
    }
    for grid in &args.grid {
        let Some((key, values)) = grid.split_once('=').filter(|(_, values)| !values.is_empty())
        else {
            bail!("--grid {grid}: write it as key=value,value, for example solver.std=0.3,0.7");
        };
        let alternative = |text: &str| Alternative {
            label: format!("{key}={text}"),
            settings: vec![(key.to_owned(), value_of(text))],
        };
        axes.push(Axis(split(values).into_iter().map(alternative).collect()));
    }
    Ok(axes)
}

/// At the commas that are outside brackets.
fn split(values: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (index, character) in values.char_indices() {
        match character {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&values[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&values[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn lists_are_split_outside_brackets() {
        assert_eq!(split("1,2"), ["1", "2"]);
        assert_eq!(split("{kind='lines', knots=5},x"), ["{kind='lines', knots=5}", "x"]);
    }
}
