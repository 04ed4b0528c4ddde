use super::*;
use housecat_core::Image;

/// A report with every part filled.
fn full() -> Report {
    let arm = |protocol: &str, arm: &str, rate| ArmRow {
        protocol: protocol.into(),
        arm: arm.into(),
        rate,
        low: rate - 0.05,
        high: rate + 0.05,
        successes: 90,
        n: 100,
        steps_mean: Some(20.5),
    };
    let mut outcome = Vec::new();
    for protocol in ["moderate", "strict"] {
        for (name, rate) in [("model", 0.9), ("random", 0.1), ("still", 0.06), ("oracle", 0.94)] {
            outcome.push(arm(protocol, name, rate));
        }
    }
    let curve = |name: &str| Curve {
        chart: "loss".into(),
        name: name.into(),
        points: (1..50).map(|i| (f64::from(i), 1.0 / f64::from(i))).collect(),
        log_scale: true,
    };
    let moment = |label: &str| Moment {
        label: label.into(),
        imagined: Image::new(4, 3),
        simulated: Image::new(8, 6),
    };
    let strip = |success| Strip {
        caption: "seed 0, pair <3>".into(),
        success,
        frames: vec![("start".into(), Image::new(8, 6)), ("goal".into(), Image::new(8, 6))],
        plan: if success { vec![moment("start"), moment("step <5>")] } else { Vec::new() },
    };
    Report {
        title: "two-room & <friends>".into(),
        sim: "two-room".into(),
        outcome,
        returns: vec![ReturnRow { arm: "model".into(), mean: 812.0, ..ReturnRow::default() }],
        pair_difficulty: vec![DifficultyRow {
            name: "agent".into(),
            median: 0.4,
            unit: "m".into(),
        }],
        planner: vec![("samples".into(), "128".into())],
        timing: Some(PlanTiming { median_ms: 12.0, p95_ms: 15.0, max_ms: 40.0 }),
        elite_rank_correlation: Some(-0.25),
        elite_rank_median: Some([-0.375, -0.5, 0.125]),
        probes: vec![ProbeRow {
            name: "agent x".into(),
            spread: 0.125,
            linear: [0.99, 0.01],
            mlp: [0.995, 0.004],
            unit: "m".into(),
        }],
        latents: vec![("effective rank".into(), "7.25 of 32".into())],
        curves: vec![curve("train"), curve("validation")],
        strips: vec![strip(true), strip(false)],
        variation: vec![FactorRow {
            protocol: "moderate".into(),
            factor: "light.intensity".into(),
            levels: "0.3..0.5".into(),
            rate: 0.625,
            low: 0.5,
            high: 0.75,
            successes: 25,
            n: 40,
        }],
        seconds: vec![("collect".into(), 90.0), ("train".into(), 30.0)],
        config_toml: "name = \"<script>alert(1)</script>\"".into(),
        provenance: vec![("git".into(), "abc".into())],
        command: "housecat run two-room --set a=\"b\"".into(),
    }
}

/// Checks that every tag is closed by its own kind, in order.
fn assert_balanced(html: &str) {
    const VOID: [&str; 2] = ["meta", "img"];
    let mut open: Vec<&str> = Vec::new();
    for tag in html.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        if tag.starts_with('!') || tag.ends_with('/') {
            continue;
        }
        let name = tag.split_whitespace().next().unwrap_or("");
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if VOID.contains(&name) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn everything_is_on_the_page() {
    let report = full();
    let html = report.render().unwrap();
    assert_balanced(&html);
    for row in &report.outcome {
        let bar = format!("aria-label=\"{}: {}", row.arm, percent(row.rate));
        assert_eq!(html.matches(&bar).count(), 2, "{bar}");
    }
    for part in ["moderate", "strict", "812", "0.4 m", "128", "12", "−0.250", "0.990", "agent x"]
    {
        assert!(html.contains(part), "{part}");
    }
    for part in ["0.125 m", "0.01 m", "0.995", "0.004 m", "7.25 of 32", "−0.375", "−0.500 – 0.125"]
    {
        assert!(html.contains(part), "{part}");
    }
    for part in
        ["light.intensity", "0.3..0.5", "62.5 %", "50.0 – 75.0 %", "25 / 40", ">1.5<", ">2.0<"]
    {
        assert!(html.contains(part), "{part}");
    }
    for part in ["train", "validation", "abc", "housecat run two-room", "success", "failure"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn text_is_escaped() {
    let html = full().render().unwrap();
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    assert!(html.contains("two-room &amp; &lt;friends&gt;") && html.contains("pair &lt;3&gt;"));
}

#[test]
fn the_page_needs_no_network_and_every_picture_has_words() {
    let html = full().render().unwrap();
    for foreign in ["http://", "https://", "url(", "<link", "@import"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert_eq!(html.matches("<img ").count(), 8);
    assert_eq!(html.matches("src=\"data:image/png;base64,iVBORw0KGgo").count(), 8);
    assert_eq!(html.matches("alt=\"seed 0").count(), 8);
    assert_eq!(html.matches("<svg").count(), html.matches("role=\"img\"").count());
}

#[test]
fn a_plan_is_shown_as_imagined_and_as_simulated() {
    let mut report = full();
    let html = report.render().unwrap();
    for row in ["imagined", "simulated"] {
        assert_eq!(html.matches(&format!("<span>{row}</span>")).count(), 1, "{row}");
        for label in ["start", "step &lt;5&gt;"] {
            let words = format!("pair &lt;3&gt;: {label}, {row}\"");
            assert_eq!(html.matches(&words).count(), 1, "{words}");
        }
    }
    report.strips[0].plan.clear();
    let html = report.render().unwrap();
    assert_balanced(&html);
    assert!(!html.contains("imagined"), "nothing is imagined");
    report.strips[0].plan = full().strips[0].plan.clone();
    report.strips[0].plan[1].imagined.pixels.pop();
    let error = report.render().unwrap_err().to_string();
    assert!(error.contains("`step <5>, imagined`"), "{error}");
}

#[test]
fn an_empty_report_has_no_sections() {
    let html = Report { title: "t".into(), ..Report::default() }.render().unwrap();
    assert_balanced(&html);
    assert!(!html.contains("<section"));
}

#[test]
fn a_broken_image_is_named() {
    let mut report = full();
    report.strips[0].frames[1].1.pixels.pop();
    let error = report.render().unwrap_err().to_string();
    assert!(error.contains("`goal`"), "{error}");
}

#[test]
fn numbers_that_are_not_finite_do_no_harm() {
    let mut report = full();
    report.outcome[0].rate = f64::NAN;
    report.outcome[0].low = f64::NAN;
    report.returns[0].high = f64::NAN;
    report.elite_rank_correlation = Some(f64::NAN);
    report.elite_rank_median = Some([f64::NAN, 0.0, f64::INFINITY]);
    report.probes[0].linear = [f64::NAN, f64::INFINITY];
    report.curves[0].points.push((50.0, f64::INFINITY));
    let html = report.render().unwrap();
    assert_balanced(&html);
    assert!(!html.contains("NaN") && !html.contains("inf"));
}

#[test]
fn a_report_is_saved_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    full().save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), full().render().unwrap());
    assert!(full().save(&folder.path().join("none/report.html")).is_err());
}
