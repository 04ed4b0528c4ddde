//! The house: which crate may know which, and in which rooms each foreign library lives.

use crate::graph::Package;

/// Each crate of the workspace and the crates that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("housecat-core", &[]),
    ("housecat-render", &["housecat-core"]),
    ("housecat-physics", &[]),
    ("housecat-sim", &["housecat-core", "housecat-physics", "housecat-render"]),
    ("housecat-data", &["housecat-core"]),
    ("housecat-model", &["housecat-core"]),
    ("housecat-plan", &["housecat-core"]),
    ("housecat-agent", &["housecat-core", "housecat-model", "housecat-plan"]),
    ("housecat-view", &["housecat-core"]),
    (
        "housecat-cli",
        &[
            "housecat-core",
            "housecat-physics",
            "housecat-sim",
            "housecat-render",
            "housecat-data",
            "housecat-model",
            "housecat-plan",
            "housecat-agent",
            "housecat-view",
        ],
    ),
    ("xtask", &[]),
];

/// Each foreign library and its rooms; a name that ends in `*` stands for all that begin so.
const ROOMS: &[(&str, &[&str])] = &[
    ("anyhow", &["housecat-cli", "xtask"]),
    ("arrow*", &["housecat-data"]),
    ("candle*", &["housecat-model"]),
    ("clap", &["housecat-cli"]),
    ("crc32fast", &["housecat-data"]),
    ("crossbeam", &["housecat-cli"]),
    ("gemm", &["housecat-model"]),
    ("indicatif", &["housecat-cli"]),
    ("libc", &["housecat-model", "housecat-view"]),
    ("libmimalloc-sys", &["housecat-cli"]),
    ("libm", &["housecat-physics", "housecat-plan", "housecat-render", "housecat-sim"]),
    ("memmap2", &["housecat-data"]),
    ("mimalloc", &["housecat-cli"]),
    ("nalgebra", &["housecat-model", "housecat-physics", "housecat-sim"]),
    ("parquet", &["housecat-data"]),
    ("png", &["housecat-data", "housecat-sim", "housecat-view"]),
    ("rand*", &["housecat-core"]),
    ("rapier3d", &["housecat-physics"]),
    ("rerun", &["housecat-view"]),
    ("roxmltree", &["housecat-sim"]),
    ("safetensors", &["housecat-model"]),
    ("serde", EVERYWHERE),
    ("serde_json", EVERYWHERE),
    ("signal-hook", &["housecat-cli"]),
    ("thiserror", EVERYWHERE),
    ("toml", &["housecat-sim", "housecat-cli"]),
    ("tracing*", &["housecat-cli", "housecat-data"]),
    ("zip", &["housecat-model"]),
];

/// The rooms of a library that is at home in all of them.
const EVERYWHERE: &[&str] = &["*"];

/// What breaks the house's rules. Dev-dependencies are free.
pub fn violations(packages: &[Package]) -> Vec<String> {
    let members: Vec<&Package> = packages.iter().filter(|package| package.member).collect();
    let mut found = Vec::new();
    for member in &members {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == member.name) else {
            found.push(format!(
                "`{}` is a new room: say in ARROWS of tools/xtask/src/rooms.rs which crates it may use",
                member.name
            ));
            continue;
        };
        for dependency in member.dependencies.iter().filter(|dependency| !dependency.dev) {
            let name = dependency.name.as_str();
            if members.iter().any(|other| other.name == name) {
                if !allowed.contains(&name) {
                    found.push(format!(
                        "`{}` must not know `{name}`: what both need belongs into `housecat-core`",
                        member.name
                    ));
                }
                continue;
            }
            match rooms(name) {
                None => found.push(format!(
                    "`{}` uses `{name}`, which has no room: give it one in ROOMS of \
                     tools/xtask/src/rooms.rs, and its reason in ARCHITECTURE.md",
                    member.name
                )),
                Some(rooms) if rooms == EVERYWHERE || rooms.contains(&member.name.as_str()) => {}
                Some(rooms) => found.push(format!(
                    "`{}` must not use `{name}`, which lives in {}",
                    member.name,
                    rooms.join(" and ")
                )),
            }
        }
    }
    found
}

fn rooms(library: &str) -> Option<&'static [&'static str]> {
    let (_, rooms) = ROOMS.iter().find(|(pattern, _)| match pattern.strip_suffix('*') {
        Some(start) => library.starts_with(start),
        None => library == *pattern,
    })?;
    Some(rooms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample::{local, member, needs};
    use crate::graph::{self, Dependency};

    #[test]
    fn the_workspace_keeps_to_its_rooms() {
        let packages = graph::read(&crate::root()).unwrap();
        assert_eq!(violations(&packages), Vec::<String>::new());
    }

    #[test]
    fn a_legal_house_passes() {
        let core =
            member("housecat-core", vec![needs("rand_chacha", "^0.10"), needs("serde", "1")]);
        let sim = member("housecat-sim", vec![local("housecat-core"), needs("roxmltree", "1")]);
        assert!(violations(&[core, sim]).is_empty());
    }

    #[test]
    fn each_way_to_break_the_rules_is_named() {
        let broken = |name: &str, dependency: Dependency| {
            let other = member("housecat-model", Vec::new());
            let found = violations(&[member(name, vec![dependency]), other]);
            assert_eq!(found.len(), 1, "{found:?}");
            found[0].clone()
        };
        assert!(broken("housecat-sim", local("housecat-model")).contains("must not know"));
        assert!(
            broken("housecat-plan", needs("candle-nn", "0.11")).contains("lives in housecat-model")
        );
        assert!(broken("housecat-agent", needs("rand", "0.10")).contains("lives in housecat-core"));
        assert!(broken("housecat-view", needs("left-pad", "1")).contains("no room"));
        assert!(broken("housecat-attic", needs("serde", "1")).contains("new room"));
    }

    #[test]
    fn tests_may_use_anything() {
        let free = |dependency| Dependency { dev: true, ..dependency };
        let dependencies = vec![free(local("housecat-sim")), free(needs("proptest", "1"))];
        assert!(violations(&[member("housecat-core", dependencies)]).is_empty());
    }
}
