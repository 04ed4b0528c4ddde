//! Small charts as inline SVG, coloured by the page's style sheet.

use super::Curve;
use super::html::{escape, number};
use std::fmt::Write as _;

/// Size of the drawing; it scales with its card, so letters stay readable on a phone.
pub(super) const WIDTH: f64 = 380.0;
pub(super) const HEIGHT: f64 = 220.0;
pub(super) const LEFT: f64 = 52.0;
pub(super) const RIGHT: f64 = 10.0;
pub(super) const TOP: f64 = 8.0;
pub(super) const BOTTOM: f64 = 24.0;
/// Points drawn of one curve at most; longer ones are averaged.
const POINTS: usize = 300;
/// Colours in the style sheet.
pub(super) const COLORS: usize = 6;

/// A bar from 0 to `rate` with a whisker from `low` to `high`, all in [0, 1]. It has no letters and
/// stretches to any width.
pub(super) fn bar(rate: f64, low: f64, high: f64, lead: bool, label: &str) -> String {
    let percent = |value: f64| if value.is_finite() { value.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
    let (rate, low, high) = (percent(rate), percent(low), percent(high));
    let class = if lead { "bar lead" } else { "bar" };
    let label = escape(label);
    format!(
        "<svg role=\"img\" aria-label=\"{label}\"><title>{label}</title>\
         <rect class=\"track\" width=\"100%\" height=\"22\" rx=\"4\"/>\
         <rect class=\"{class}\" width=\"{rate:.2}%\" height=\"22\" rx=\"4\"/>\
         <line class=\"whisker\" x1=\"{low:.2}%\" x2=\"{high:.2}%\" y1=\"11\" y2=\"11\"/>\
         <line class=\"whisker\" x1=\"{low:.2}%\" x2=\"{low:.2}%\" y1=\"6\" y2=\"16\"/>\
         <line class=\"whisker\" x1=\"{high:.2}%\" x2=\"{high:.2}%\" y1=\"6\" y2=\"16\"/></svg>"
    )
}

/// A line chart of curves that share their axes; logarithmic if any of them asks for it. Empty if
/// there is nothing to draw.
pub(super) fn lines(title: &str, curves: &[&Curve]) -> String {
    let log = curves.iter().any(|curve| curve.log_scale);
    let height = |y: f64| if log { y.log10() } else { y };
    let series: Vec<Vec<(f64, f64)>> = curves
        .iter()
        .map(|curve| {
            let drawable = curve.points.iter().map(|&(x, y)| (x, height(y)));
            thin(&drawable.filter(|(x, y)| x.is_finite() && y.is_finite()).collect::<Vec<_>>())
        })
        .collect();
    let all = || series.iter().flatten();
    let Some((x0, x1)) = range(all().map(|point| point.0)) else { return String::new() };
    let Some((y0, y1)) = range(all().map(|point| point.1)) else { return String::new() };
    // Training starts at 0, though its first record may come a little later.
    let x0 = if (0.0..0.1 * x1).contains(&x0) { 0.0 } else { x0 };
    let margin = 0.04 * (y1 - y0);
    let (y0, y1) = (y0 - margin, y1 + margin);
    let px = |x: f64| LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let py = |y: f64| HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM);

    let names: Vec<_> = curves.iter().map(|curve| curve.name.as_str()).collect();
    let scale = if log { ", logarithmic scale" } else { "" };
    let label = escape(&format!("{title}: {}{scale}", names.join(", ")));
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\"><title>{label}</title>"
    );
    let y_ticks = if log { log_ticks(y0, y1) } else { ticks(y0, y1, 5) };
    for tick in y_ticks {
        let (y, text) = (py(tick), number(if log { 10_f64.powf(tick) } else { tick }));
        let _ = write!(
            svg,
            "<line class=\"rule\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0
        );
    }
    for tick in ticks(x0, x1, 4) {
        let anchor = if px(tick) > WIDTH - 40.0 { "end" } else { "middle" };
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            px(tick),
            HEIGHT - 6.0,
            number(tick)
        );
    }
    for (index, points) in series.iter().enumerate() {
        let mut path = String::new();
        for (x, y) in points {
            let verb = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{verb}{:.1} {:.1}", px(*x), py(*y));
        }
        // A line of no length has round ends: a dot.
        let (shape, rest) = if points.len() == 1 { (" dot", "h0") } else { ("", "") };
        if !path.is_empty() {
            let color = index % COLORS;
            let _ = write!(svg, "<path class=\"s{color}{shape}\" d=\"{path}{rest}\"/>");
        }
    }
    svg + "</svg>"
}

/// The bounds of some values; widened where they are one value; none without values.
pub(super) fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    match high - low {
        span if span > 0.0 && span.is_finite() => Some((low, high)),
        0.0 => {
            let room = 0.5 * low.abs().max(1.0);
            Some((low - room, high + room))
        }
        _ => None,
    }
}

/// At most [`POINTS`] points: means of equal runs.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let run = points.len().div_ceil(POINTS).max(1);
    let mean = |chunk: &[(f64, f64)]| {
        let sum = chunk.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / chunk.len() as f64, sum.1 / chunk.len() as f64)
    };
    points.chunks(run).map(mean).collect()
}

/// Round numbers within a range, about `count` of them.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / count as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = step.into_iter().find(|&step| step >= rough).unwrap_or(10.0 * power);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    // The range may be too narrow for its magnitude; then there is no round number to show.
    (first..=last.min(first.saturating_add(20))).map(|index| index as f64 * step).collect()
}

/// Logarithms of powers of ten within a range of logarithms; with their doubles and quintuples, or
/// plain round numbers, where there are few.
pub(super) fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = ((high - low) / 6.0).ceil().max(1.0);
    let powers = |factors: &[f64]| -> Vec<f64> {
        (low.floor() as i64..=high.ceil() as i64)
            .filter(|power| power.rem_euclid(decades as i64) == 0)
            .flat_map(|power| factors.iter().map(move |factor| power as f64 + factor.log10()))
            .filter(|tick| (low..=high).contains(tick))
            .collect()
    };
    let mut found = powers(&[1.0]);
    if found.len() < 3 {
        found = powers(&[1.0, 2.0, 5.0]);
    }
    if found.len() < 2 {
        found = ticks(10_f64.powf(low), 10_f64.powf(high), 4)
            .into_iter()
            .filter(|&value| value > 0.0)
            .map(f64::log10)
            .collect();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 1000.0, 4), [0.0, 500.0, 1000.0]);
        assert_eq!(ticks(-0.3, 0.9, 5), [0.0, 0.5]);
        assert_eq!(log_ticks(-2.1, 1.2), [-2.0, -1.0, 0.0, 1.0]);
        assert!(log_ticks(0.02, 0.03).len() >= 2);
    }

    #[test]
    fn odd_curves_do_no_harm() {
        let curve = |points: Vec<(f64, f64)>, log_scale| Curve {
            chart: "c".into(),
            name: "n".into(),
            points,
            log_scale,
        };
        assert_eq!(lines("c", &[&curve(vec![], false)]), "");
        assert_eq!(lines("c", &[&curve(vec![(0.0, f64::NAN)], false)]), "");
        assert_eq!(lines("c", &[&curve(vec![(0.0, 0.0), (1.0, -1.0)], true)]), "");
        for points in [vec![(3.0, 2.0)], vec![(0.0, 1e300), (1.0, 1e300)], vec![(0.0, 0.0); 5000]] {
            let svg = lines("c", &[&curve(points, false)]);
            assert!(svg.starts_with("<svg") && !svg.contains("NaN"), "{svg}");
        }
        assert!(bar(f64::NAN, 0.0, 2.0, true, "x").contains("100.00%"));
    }

    #[test]
    fn long_curves_are_thinned() {
        let points: Vec<_> = (0..10_000).map(|i| (f64::from(i), 1.0)).collect();
        let thinned = thin(&points);
        assert!(thinned.len() <= POINTS);
        assert!(thinned.iter().all(|point| point.1 == 1.0));
    }
}
