//! `housecat doctor`: whether this machine has what housecat needs.

use crate::console::table;
use crate::session::Session;
use crate::{provenance, sims};
use anyhow::bail;
use housecat_sim::Sim;
use housecat_view::{VIEWER_VERSION, installed_viewer};
use serde_json::json;

struct Check {
    what: &'static str,
    /// `Ok` is fine, `Err` holds what to do; `needed` says whether it is a failure.
    outcome: Result<String, String>,
    needed: bool,
}

/// The command.
pub fn run(session: &Session) -> anyhow::Result<()> {
    session.check_flags()?;
    let checks = [processor(), memory(), worlds(), disk(), viewer()];
    let mut rows = vec![["check", "state", "detail"].map(str::to_owned).to_vec()];
    let mut document = Vec::new();
    for check in &checks {
        let (state, text) = match (&check.outcome, check.needed) {
            (Ok(text), _) => ("ok", text),
            (Err(text), false) => ("missing", text),
            (Err(text), true) => ("FAILED", text),
        };
        rows.push(vec![check.what.to_owned(), state.to_owned(), text.clone()]);
        document.push(json!({ "what": check.what, "state": state.to_lowercase(), "detail": text }));
    }
    session.result(&json!({ "checks": document }), &table(&rows))?;
    let failed = checks.iter().filter(|check| check.needed && check.outcome.is_err()).count();
    match failed {
        0 => Ok(()),
        failed => bail!("{failed} of the checks failed; the table says what to do"),
    }
}

fn processor() -> Check {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let text =
        format!("{}, {threads} cores, {}", provenance::processor(), provenance::instruction_sets());
    Check { what: "processor", outcome: Ok(text), needed: true }
}

fn memory() -> Check {
    let free = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemAvailable"))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    });
    let outcome = match free {
        Some(kib) if kib < 2e6 => {
            Err(format!("{:.1} GiB free; training from pixels wants 2", kib / 1048576.0))
        }
        Some(kib) => Ok(format!("{:.1} GiB free", kib / 1048576.0)),
        None => Ok("unknown on this system".to_owned()),
    };
    Check { what: "memory", outcome, needed: false }
}

fn worlds() -> Check {
    let load = || -> anyhow::Result<String> {
        let all = sims::all()?;
        for (_, folder) in &all {
            Sim::load(folder)?;
        }
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        Ok(format!("{} load: {}", names.len(), names.join(", ")))
    };
    Check { what: "sims", outcome: load().map_err(|error| format!("{error:#}")), needed: true }
}

fn disk() -> Check {
    let probe = std::env::current_dir().and_then(|folder| {
        let file = folder.join(format!(".housecat-doctor-{}", std::process::id()));
        std::fs::write(&file, [0; 4096])?;
        std::fs::remove_file(&file)
    });
    let outcome = match probe {
        Ok(()) => Ok("the working folder can be written".to_owned()),
        Err(error) => {
            Err(format!("the working folder cannot be written ({error}); use --out elsewhere"))
        }
    };
    Check { what: "disk", outcome, needed: true }
}

fn viewer() -> Check {
    let install = format!("pip install rerun-sdk=={VIEWER_VERSION}");
    let outcome = match installed_viewer() {
        None => Err(format!(
            "rerun is not installed (recordings need it only to be looked at): {install}"
        )),
        Some(version) if version == VIEWER_VERSION => Ok(format!("rerun {version}")),
        Some(version) => Err(format!(
            "rerun {version} may not open our recordings, made for {VIEWER_VERSION}: {install}"
        )),
    };
    Check { what: "viewer", outcome, needed: false }
}
