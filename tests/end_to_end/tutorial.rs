//! The tutorial on sims does what it says: its files are written, its commands are run.

use crate::support::{Place, TINY, repository_sims};
use std::fs;

/// A fenced block of a Markdown text: its language, the file that the line of text before it begins with (in
/// backticks), and what is in it.
struct Block {
    language: String,
    file: Option<String>,
    body: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let quoted = paragraph.strip_prefix('`').and_then(|rest| rest.split_once('`'));
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block {
                language: language.to_owned(),
                file: quoted.map(|(file, _)| file.to_owned()),
                body: format!("{}\n", body.join("\n")),
            });
            paragraph.clear();
        } else if line.is_empty() {
            // The paragraph right before a block is its own.
            if lines.clone().next().is_some_and(|next| !next.starts_with("```")) {
                paragraph.clear();
            }
        } else {
            paragraph.push_str(line);
        }
    }
    blocks
}

#[test]
fn the_tutorial_on_sims_holds() {
    let text = fs::read_to_string(repository_sims().join("TUTORIAL.md")).unwrap();
    let place = Place::new();
    let (mut files, mut commands) = (Vec::new(), 0);
    for block in blocks(&text) {
        if block.language != "sh" {
            let file = block.file.expect("a file that is to be written has a name before it");
            let path = place.path(&file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, block.body).unwrap();
            files.push(file);
            continue;
        }
        for line in block.body.lines() {
            let args: Vec<&str> = line.split_whitespace().skip(1).collect();
            // Learning is cut short; what follows finds it in the run's configuration.
            let tiny = if ["run", "compare"].contains(&args[0]) { TINY } else { &[] };
            let output = place.run(&[&args[..], tiny].concat()).ok();
            assert!(!output.stdout.is_empty(), "{line}");
            assert!(!output.stderr.contains("WARN"), "{line}: {}", output.stderr);
            commands += 1;
        }
    }
    assert_eq!(files, ["crane/scene.xml", "crane/sim.toml", "crane/train.toml"]);
    assert_eq!(commands, 6);
    for made in ["pictures/crane-side-rgb.png", "runs/crane/default/report.html"] {
        assert!(place.path(made).is_file(), "{made}");
    }
}
