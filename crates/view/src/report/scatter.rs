//! Quality against time: each contender a point with its interval, the front a dashed line.

use super::chart::{BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, log_ticks, range, ticks};
use super::comparison::Contender;
use super::html::{escape, number};
use std::fmt::Write as _;

/// The chart; time on a logarithmic scale. Points are numbered as the contenders are. Empty without points.
pub(super) fn scatter(label: &str, contenders: &[Contender]) -> String {
    let drawable = |c: &&Contender| {
        c.plan_ms > 0.0 && [c.plan_ms, c.value, c.low, c.high].iter().all(|value| value.is_finite())
    };
    let points: Vec<&Contender> = contenders.iter().filter(drawable).collect();
    let Some((x0, x1)) = range(points.iter().map(|c| c.plan_ms.log10())) else {
        return String::new();
    };
    let Some((y0, y1)) = range(points.iter().flat_map(|c| [c.low, c.high])) else {
        return String::new();
    };
    let (room_x, room_y) = (0.06 * (x1 - x0), 0.05 * (y1 - y0));
    let (x0, x1, y0, y1) = (x0 - room_x, x1 + room_x, y0 - room_y, y1 + room_y);
    let px = |x: f64| LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let py = |y: f64| HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM);
    let label = escape(label);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\"><title>{label}</title>"
    );
    for tick in ticks(y0, y1, 5) {
        let (y, text) = (py(tick), number(tick));
        let _ = write!(
            svg,
            "<line class=\"rule\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0
        );
    }
    for tick in log_ticks(x0, x1) {
        let (x, text) = (px(tick), number(10_f64.powf(tick)));
        let y = HEIGHT - 6.0;
        let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>");
    }
    let mut front: Vec<&Contender> = points.iter().copied().filter(|c| c.on_front).collect();
    front.sort_by(|a, b| a.plan_ms.total_cmp(&b.plan_ms));
    let mut path = String::new();
    for contender in front {
        let verb = if path.is_empty() { 'M' } else { 'L' };
        let (x, y) = (px(contender.plan_ms.log10()), py(contender.value));
        let _ = write!(path, "{verb}{x:.1} {y:.1}");
    }
    let _ = write!(svg, "<path class=\"front\" d=\"{path}\"/>");
    for (index, contender) in contenders.iter().enumerate() {
        if !drawable(&contender) {
            continue;
        }
        let (x, y) = (px(contender.plan_ms.log10()), py(contender.value));
        let class = if contender.on_front { " class=\"best\"" } else { "" };
        let _ = write!(
            svg,
            "<line class=\"spread\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <circle{class} cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{}</title></circle>\
             <text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            py(contender.low),
            py(contender.high),
            escape(&contender.name),
            x + 6.0,
            y - 5.0,
            index + 1
        );
    }
    svg + "</svg>"
}
