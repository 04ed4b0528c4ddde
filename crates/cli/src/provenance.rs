//! Where a run comes from: versions, seed, machine.

use crate::session::Session;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is recorded beside every run.
#[derive(Clone, Debug, Serialize)]
pub struct Provenance(pub BTreeMap<String, String>);

/// The processor's name, where the system tells.
pub fn processor() -> String {
    let named = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        line.split_once(':').map(|(_, name)| name.trim().to_owned())
    });
    named.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The instruction sets that the hot loops would use and this processor has.
pub fn instruction_sets() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let has = [
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("fma", std::arch::is_x86_feature_detected!("fma")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ];
        has.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        String::new()
    }
}

impl Provenance {
    /// Of a command that runs now with this seed.
    pub fn now(session: &Session, seed: u64) -> Self {
        let threads =
            session.threads().map_or_else(|_| "?".to_owned(), |threads| threads.to_string());
        let entries = [
            ("housecat", env!("CARGO_PKG_VERSION").to_owned()),
            ("command", Session::command_line()),
            ("seed", seed.to_string()),
            ("system", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
            ("processor", processor()),
            ("instruction_sets", instruction_sets()),
            ("threads", threads),
            ("git", option_env!("HOUSECAT_GIT").unwrap_or("unknown").to_owned()),
        ];
        Self(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }
}
