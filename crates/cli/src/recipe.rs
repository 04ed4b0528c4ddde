//! Recipes: published methods, as tables that stand in for those of a sim's `train.toml`.

use anyhow::{Context as _, bail};
use std::path::Path;
use toml::Table;

/// Name and text of the recipes that come with the binary.
const KNOWN: [(&str, &str); 3] = [
    ("lewm", include_str!("../../../assets/recipes/lewm.toml")),
    ("pldm", include_str!("../../../assets/recipes/pldm.toml")),
    ("dino-wm", include_str!("../../../assets/recipes/dino-wm.toml")),
];

/// Puts every key and table of a recipe (its name, or the path of its file) in the place of a `train.toml`'s.
///
/// # Errors
/// If there is no such recipe, or it is no TOML.
pub fn lay_over(table: &mut Table, recipe: &str) -> anyhow::Result<()> {
    let text = match KNOWN.iter().find(|(name, _)| *name == recipe) {
        Some((_, text)) => (*text).to_owned(),
        None if Path::new(recipe).is_file() => {
            std::fs::read_to_string(recipe).with_context(|| format!("--recipe {recipe}"))?
        }
        None => bail!(
            "--recipe {recipe}: there is no such file, and the known recipes are {}",
            KNOWN.map(|(name, _)| name).join(", ")
        ),
    };
    let over: Table =
        toml::from_str(&text).with_context(|| format!("--recipe {recipe} is not valid TOML"))?;
    // What the sim's own model feels is a part of its `input`.
    if over.contains_key("input") {
        table.remove("proprioception");
    }
    table.extend(over);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_replaces_whole_tables_and_leaves_the_rest() {
        let text =
            "input = 'both'\nproprioception = ['x']\n[model]\nreward = 1\n[eval]\npairs = 3\n";
        for (name, _) in KNOWN {
            let mut table: Table = toml::from_str(text).unwrap();
            lay_over(&mut table, name).unwrap();
            assert_eq!(table["input"].as_str(), Some("pixels"));
            assert_eq!(table["image"].as_integer(), Some(224), "{name}");
            assert_eq!(table["eval"]["pairs"].as_integer(), Some(3));
            assert!(
                !table.contains_key("proprioception") && table["model"].get("reward").is_none()
            );
        }
        let error = lay_over(&mut Table::new(), "lewn").unwrap_err().to_string();
        assert!(error.contains("lewn") && error.contains("lewm, pldm, dino-wm"), "{error}");
    }
}
