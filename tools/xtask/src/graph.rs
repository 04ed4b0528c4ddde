//! The dependency graph, as `cargo metadata` tells it.

use anyhow::{Context as _, bail};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A package of the workspace or one that it depends on, at any depth.
#[derive(Clone, Debug)]
pub struct Package {
    /// Name in its manifest.
    pub name: String,
    /// Version in its manifest.
    pub version: String,
    /// SPDX expression, if the manifest gives one.
    pub licence: Option<String>,
    /// Where it comes from; `None` for packages on this disk.
    pub source: Option<String>,
    /// Whether it is a member of the workspace.
    pub member: bool,
    /// What its manifest asks for.
    pub dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependency tables.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// Name of the package, whatever it is renamed to.
    pub name: String,
    /// Version requirement.
    pub requirement: String,
    /// Whether only tests, examples and benches see it.
    pub dev: bool,
    /// Where it comes from; `None` for a path.
    pub source: Option<String>,
}

/// Every package that `Cargo.lock` admits, on any platform and with any feature in use.
///
/// # Errors
/// If cargo fails, above all when `Cargo.lock` does not fit the manifests.
pub fn read(root: &Path) -> anyhow::Result<Vec<Package>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Offline first: after a build everything is here, and the answer needs no network.
    let mut message = String::new();
    for connection in [Some("--offline"), None] {
        let output = Command::new(&cargo)
            .args(["metadata", "--locked", "--format-version", "1"])
            .args(connection)
            .current_dir(root)
            .output()
            .context("cargo cannot be started; is the Rust toolchain installed?")?;
        if output.status.success() {
            let json = serde_json::from_slice(&output.stdout)
                .context("`cargo metadata` did not print JSON")?;
            return parse(&json);
        }
        message = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    bail!("`cargo metadata --locked` failed in {}:\n{message}", root.display())
}

fn parse(json: &Value) -> anyhow::Result<Vec<Package>> {
    let members = list(json, "workspace_members")?;
    list(json, "packages")?
        .iter()
        .map(|package| {
            Ok(Package {
                name: text(package, "name")?,
                version: text(package, "version")?,
                licence: optional(package, "license"),
                source: optional(package, "source"),
                member: members.contains(&package["id"]),
                dependencies: list(package, "dependencies")?
                    .iter()
                    .map(|dependency| {
                        Ok(Dependency {
                            name: text(dependency, "name")?,
                            requirement: text(dependency, "req")?,
                            dev: dependency["kind"] == "dev",
                            source: optional(dependency, "source"),
                        })
                    })
                    .collect::<anyhow::Result<_>>()?,
            })
        })
        .collect()
}

fn list<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("`cargo metadata` has no list `{key}`"))
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    optional(value, key).with_context(|| format!("`cargo metadata` has no string `{key}`"))
}

fn optional(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(str::to_owned)
}

/// Small graphs for the tests of the rules.
#[cfg(test)]
pub mod sample {
    use super::{Dependency, Package};

    pub const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

    /// A package of the workspace.
    pub fn member(name: &str, dependencies: Vec<Dependency>) -> Package {
        let licence = Some("MIT OR Apache-2.0".to_owned());
        let version = "0.1.0".to_owned();
        Package { name: name.into(), version, licence, source: None, member: true, dependencies }
    }

    /// A package from the registry.
    pub fn foreign(name: &str, licence: Option<&str>) -> Package {
        Package {
            licence: licence.map(str::to_owned),
            source: Some(REGISTRY.into()),
            member: false,
            ..member(name, Vec::new())
        }
    }

    /// A dependency from the registry.
    pub fn needs(name: &str, requirement: &str) -> Dependency {
        let source = Some(REGISTRY.to_owned());
        Dependency { name: name.into(), requirement: requirement.into(), dev: false, source }
    }

    /// A dependency on a package of the workspace.
    pub fn local(name: &str) -> Dependency {
        Dependency { source: None, ..needs(name, "*") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_and_its_gaps_are_named() {
        let json = serde_json::json!({
            "workspace_members": ["a"],
            "packages": [{
                "id": "a", "name": "a", "version": "1.0.0", "license": null, "source": null,
                "dependencies": [{"name": "b", "req": "^1", "kind": "dev", "source": "registry+x"}],
            }],
        });
        let packages = parse(&json).unwrap();
        assert!(packages[0].member && packages[0].licence.is_none());
        assert!(packages[0].dependencies[0].dev);
        let error = parse(&serde_json::json!({"workspace_members": []})).unwrap_err();
        assert!(error.to_string().contains("packages"));
    }
}
