//! Chores of the project. `cargo run -p xtask -- check` says whether the house is in order: the crate
//! graph, the licences, the versions, and the layout of the repository.

mod graph;
mod layout;
mod licence;
mod rooms;
mod sources;

use anyhow::bail;
use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["check"] => check(),
        _ => bail!("there is one chore: cargo run -p xtask -- check"),
    }
}

/// The root of the repository: the one that cargo runs this in, which need not be the one that it was
/// compiled in when checkouts share a target folder.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR");
    let mut root = package.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    root.pop();
    root.pop();
    root
}

fn check() -> anyhow::Result<()> {
    let root = root();
    let packages = graph::read(&root)?;
    let files = layout::tracked(&root)?;
    let checks = [
        ("crate graph", rooms::violations(&packages)),
        ("licences", licence::violations(&packages)),
        ("sources and versions", sources::violations(&packages)),
        ("layout", layout::violations(&files)),
    ];
    let mut broken = 0;
    for (name, violations) in checks {
        println!("{name}: {}", if violations.is_empty() { "in order" } else { "broken" });
        for violation in &violations {
            println!("  {violation}");
        }
        broken += violations.len();
    }
    if broken > 0 {
        bail!("{broken} rules broken among {} packages and {} files", packages.len(), files.len());
    }
    Ok(())
}
