//! The figures of a model's quality beside success: measured, summed up for people, and for the report.

use crate::command::eval::Arena;
use crate::console::Progress;
use crate::session::Session;
use housecat_agent::{AgentError, EvalReport};
use housecat_core::Seed;
use housecat_model::{Decoder, Probe, Quality, Reading, Reconstruction};
use housecat_view::{Curve, ProbeRow};
use std::time::{Duration, Instant};

/// A measurement that takes longer says how it goes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Measures the quality of an arena's model, and of the decoder of its latents; `seed` is the evaluation's.
///
/// # Errors
/// If recording or measuring fails, or the user interrupts.
pub fn measure(
    session: &Session,
    arena: &Arena<'_>,
    decoder: Option<&Decoder>,
    seed: u64,
) -> anyhow::Result<Option<Quality>> {
    let started = Instant::now();
    let progress = std::sync::OnceLock::new();
    let advance = |done: usize, total: usize| {
        if started.elapsed() > PATIENCE {
            let begin = || Progress::new(session, "quality", total as u64, done as u64, "episodes");
            progress.get_or_init(begin).set(done as u64, String::new);
        }
    };
    let arena = Arena { progress: &advance, ..*arena };
    let quality = arena.with_evaluator(|evaluator| {
        evaluator.quality(decoder, Seed::new(seed)).map_err(|error| match error {
            AgentError::Interrupted => session.interrupted(),
            other => other.into(),
        })
    })?;
    if let Some(progress) = progress.get() {
        progress.finish();
    }
    if quality.is_none() && arena.model.is_some() {
        tracing::warn!("the quality of the model was not measured: its latents are not finite");
    }
    Ok(quality)
}

/// A few lines for people.
pub fn summary(quality: &Quality) -> String {
    let last = |errors: &[f64]| errors.last().copied().unwrap_or(f64::NAN);
    let mut text = format!(
        "latents: {:.3} variances of error {} blocks ahead (no change: {:.3}), straightness {:.2}, effective rank \
         {:.1} of {}, std {:.2} to {:.2}\n",
        last(&quality.open_loop),
        quality.open_loop.len(),
        last(&quality.copy),
        quality.straightness,
        quality.effective_rank,
        quality.latent_dim,
        quality.std.min,
        quality.std.max
    );
    let (rates, rest): (Vec<&Probe>, Vec<&Probe>) =
        quality.probes.iter().partition(|probe| probe.unit.ends_with("/s"));
    let parts: Vec<String> = [("positions and angles", rest), ("velocities", rates)]
        .iter()
        .filter_map(|(what, probes)| Some(format!("{what} {}", part(probes)?)))
        .collect();
    if !parts.is_empty() {
        text.push_str(&format!("probes (r, linear and perceptron): {}\n", parts.join("; ")));
    }
    if let Some(decoder) = &quality.decoder {
        text.push_str(&format!("decoded pictures: {}\n", decoded(decoder)));
    }
    text
}

/// How well pictures are decoded.
fn decoded(Reconstruction { mse, mean_frame_mse, .. }: &Reconstruction) -> String {
    let share = mse / mean_frame_mse;
    format!("{share:.3} of the mean picture's squared error ({mse:.1e} by {mean_frame_mse:.1e})")
}

/// The middle and the worst of some probes.
fn part(probes: &[&Probe]) -> Option<String> {
    let median = |of: fn(&Probe) -> Reading| {
        housecat_agent::median(&probes.iter().map(|probe| of(probe).r).collect::<Vec<f64>>())
    };
    let worst = probes.iter().min_by(|a, b| a.mlp.r.total_cmp(&b.mlp.r))?;
    Some(format!(
        "{:.2} and {:.2} (median of {}; least {} {:.2} and {:.2}, error {:.3} {})",
        median(|probe| probe.linear),
        median(|probe| probe.mlp),
        probes.len(),
        worst.name,
        worst.linear.r,
        worst.mlp.r,
        worst.mlp.rmse,
        worst.unit
    ))
}

/// The errors ahead, as curves of one chart.
pub fn curves(quality: &Quality, blocks_of: usize) -> impl Iterator<Item = Curve> {
    let chart = format!("error by blocks of {blocks_of} steps ahead (latent variances)");
    [("open loop", &quality.open_loop), ("no change", &quality.copy)].into_iter().map(
        move |(name, errors)| Curve {
            chart: chart.clone(),
            name: name.to_owned(),
            points: (1..).map(f64::from).zip(errors.iter().copied()).collect(),
            log_scale: false,
        },
    )
}

/// What the latents hold.
pub fn probes(quality: &Quality) -> Vec<ProbeRow> {
    let row = |probe: &Probe| ProbeRow {
        name: probe.name.clone(),
        spread: probe.spread,
        linear: [probe.linear.r, probe.linear.rmse],
        mlp: [probe.mlp.r, probe.mlp.rmse],
        unit: probe.unit.clone(),
    };
    quality.probes.iter().map(row).collect()
}

/// How the latents lie.
pub fn latents(quality: &Quality) -> Vec<(String, String)> {
    let Quality { episodes, frames, latent_dim, std, .. } = quality;
    let mut rows: Vec<(&str, String)> = vec![
        ("straightness", format!("{:.3}", quality.straightness)),
        ("effective rank", format!("{:.1} of {latent_dim}", quality.effective_rank)),
        (
            "std of components",
            format!("{:.3} to {:.3}, median {:.3}", std.min, std.max, std.median),
        ),
        ("measured on", format!("{frames} frames of {episodes} held-out episodes")),
    ];
    if let Some(decoder) = &quality.decoder {
        rows.push(("decoded pictures", decoded(decoder)));
    }
    rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The median rank correlation among elites and the ends of its interval.
pub fn elite_rank(report: &EvalReport) -> Option<[f64; 3]> {
    report.elite_rank_correlation_median.map(|one| [one.median, one.low, one.high])
}
