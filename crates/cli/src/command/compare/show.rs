//! A comparison for people: tables on the terminal, and a page.

use crate::console::table;
use crate::session::Session;
use housecat_agent::{ArmSuccess, Comparison, Difference, Difficulty, Judged, Standing};
use housecat_core::TaskKind;
use housecat_view::{ComparisonPage, Contender, DifficultyRow};

/// The comparison as a page.
pub fn page(comparison: &Comparison) -> ComparisonPage {
    let reward = comparison.task == TaskKind::Reward;
    let contender = |standing: &Standing| {
        let (value, low, high) = match standing.returns {
            Some(returns) => (returns.mean, returns.low, returns.high),
            None => (standing.moderate.rate, standing.moderate.low, standing.moderate.high),
        };
        let rate = |success: &ArmSuccess| format!("{:.3}", success.rate);
        Contender {
            name: standing.name.clone(),
            value,
            low,
            high,
            plan_ms: standing.plan_ms.median,
            on_front: standing.on_front,
            cells: vec![
                format!("{:.1}", standing.plan_ms.p95),
                rate(&standing.moderate),
                rate(&standing.strict),
                format!("{:.2}", standing.cut),
                standing.fallbacks.to_string(),
                format!("{:.1}", standing.env_steps_mean),
            ],
        }
    };
    let significant = comparison.differences.iter().filter(|difference| difference.significant);
    ComparisonPage {
        title: format!("{}: planners compared", comparison.sim),
        problems: format!(
            "{} problems, the same for all: seeds {:?}, {} each; goal {} control steps away, budget {}",
            comparison.pairs * comparison.seeds.len(),
            comparison.seeds,
            comparison.pairs,
            comparison.goal_offset,
            comparison.budget_steps
        ),
        measure: if reward { "return" } else { "moderate success" }.to_owned(),
        is_share: !reward,
        columns: ["p95 ms", "moderate", "strict", "cut", "fallbacks", "steps"]
            .map(str::to_owned)
            .into(),
        contenders: comparison.standings.iter().map(contender).collect(),
        significant: significant.map(difference_row).collect(),
        tested: comparison.differences.len(),
        pair_difficulty: (comparison.pair_difficulty.iter())
            .map(|term| DifficultyRow {
                name: term.name.clone(),
                median: term.median,
                unit: term.unit.clone(),
            })
            .collect(),
        command: Session::command_line(),
    }
}

fn difference_row(difference: &Difference) -> [String; 5] {
    let by = match difference.by {
        Judged::Moderate => "moderate",
        Judged::Strict => "strict",
        Judged::Return => "return",
    };
    [
        by.to_owned(),
        difference.better.clone(),
        difference.worse.clone(),
        format!("{:.3}", difference.difference),
        format!("{:.2e}", difference.p),
    ]
}

/// The comparison as tables for people.
pub fn summary(comparison: &Comparison) -> String {
    let reward = comparison.task == TaskKind::Reward;
    let head = [
        "contender",
        "return",
        "moderate",
        "strict",
        "plan ms",
        "p95",
        "cut",
        "fallbacks",
        "steps",
        "",
    ];
    let keep = |row: Vec<String>| -> Vec<String> {
        row.into_iter()
            .enumerate()
            .filter(|(i, _)| reward || *i != 1)
            .map(|(_, cell)| cell)
            .collect()
    };
    let mut rows = vec![keep(head.map(str::to_owned).to_vec())];
    for standing in &comparison.standings {
        let success = |s: &ArmSuccess| format!("{:.3} [{:.3}, {:.3}]", s.rate, s.low, s.high);
        let returns = standing.returns.map_or_else(String::new, |returns| {
            format!("{:.1} [{:.1}, {:.1}]", returns.mean, returns.low, returns.high)
        });
        rows.push(keep(vec![
            standing.name.clone(),
            returns,
            success(&standing.moderate),
            success(&standing.strict),
            format!("{:.1}", standing.plan_ms.median),
            format!("{:.1}", standing.plan_ms.p95),
            format!("{:.2}", standing.cut),
            standing.fallbacks.to_string(),
            format!("{:.1}", standing.env_steps_mean),
            if standing.on_front { "front".to_owned() } else { String::new() },
        ]));
    }
    let mut text = table(&rows);
    let count = comparison.pairs * comparison.seeds.len();
    text.push_str(&format!(
        "{count} problems, the same for all; 95 % intervals (success: Wilson). front: nothing is both better and faster\n"
    ));
    if !comparison.pair_difficulty.is_empty() {
        let term = |t: &Difficulty| format!("{} {:.3} {}", t.name, t.median, t.unit);
        let terms: Vec<String> = comparison.pair_difficulty.iter().map(term).collect();
        text.push_str(&format!("pair difficulty (median displacement): {}\n", terms.join(", ")));
    }
    if comparison.standings.len() > 1 {
        text.push_str(&significant(comparison));
    }
    text
}

fn significant(comparison: &Comparison) -> String {
    let mut rows = vec![["by", "better", "worse", "difference", "p"].map(str::to_owned).to_vec()];
    let significant = comparison.differences.iter().filter(|difference| difference.significant);
    rows.extend(significant.map(|difference| difference_row(difference).to_vec()));
    let tested = comparison.differences.len();
    match rows.len() {
        1 => format!("\nno difference is significant ({tested} tested)\n"),
        found => format!(
            "\nsignificant differences, {} of {tested} tested (paired, Holm-corrected p < 0.05)\n{}",
            found - 1,
            table(&rows)
        ),
    }
}
