//! Where dependencies come from and how firmly their versions are held.

use crate::graph::Package;

/// Libraries held to one version: a new one changes the bits of every trajectory, or no longer fits
/// the viewer.
const PINNED: &[&str] = &["rapier3d*", "rerun"];

/// Dependencies from git, versions left open, and pins come loose.
pub fn violations(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        if package.source.as_deref().is_some_and(|source| source.starts_with("git+")) {
            found.push(format!(
                "`{}` {} comes from git, which may vanish: use a released version",
                package.name, package.version
            ));
        }
    }
    for member in packages.iter().filter(|package| package.member) {
        // A path needs no version: it is in this repository.
        for dependency in
            member.dependencies.iter().filter(|dependency| dependency.source.is_some())
        {
            let (name, requirement) = (&dependency.name, &dependency.requirement);
            if requirement.contains('*') {
                found.push(format!(
                    "`{}` takes `{name}` in version `{requirement}`: name the version it was \
                     tested with",
                    member.name
                ));
            } else if pinned(name) && !requirement.starts_with('=') {
                found.push(format!(
                    "`{}` takes `{name}` in version `{requirement}`: pin it, as `=x.y.z`",
                    member.name
                ));
            }
        }
    }
    found
}

fn pinned(name: &str) -> bool {
    PINNED.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample::{foreign, local, member, needs};
    use crate::graph::{self, Package};

    #[test]
    fn the_workspace_holds_its_versions() {
        let packages = graph::read(&crate::root()).unwrap();
        assert_eq!(violations(&packages), Vec::<String>::new());
    }

    #[test]
    fn git_wildcards_and_loose_pins_are_refused() {
        let git = Package {
            source: Some("git+https://example.org/x#1".into()),
            ..foreign("stray", Some("MIT"))
        };
        let sim = member(
            "housecat-sim",
            vec![
                local("housecat-core"),
                needs("rapier3d", "=0.36.1"),
                needs("rapier3d-mjcf", "^0.36.1"),
                needs("serde", "1.*"),
                needs("toml", "^1"),
            ],
        );
        let found = violations(&[git, sim]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("`stray`") && found[0].contains("git"));
        assert!(found[1].contains("`rapier3d-mjcf`") && found[1].contains("pin"));
        assert!(found[2].contains("`serde`") && found[2].contains("1.*"));
    }
}
