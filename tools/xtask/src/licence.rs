//! Licences: every package in the graph must be under terms that let the binary be given away.

use crate::graph::Package;

/// Licences that ask for no more than that notices are kept.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages under other terms, their licence, and why they are welcome all the same.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("indent", "MPL-2.0", "copyleft by file, used unchanged; inside rerun"),
    ("option-ext", "MPL-2.0", "copyleft by file, used unchanged; inside rerun"),
    ("webpki-roots", "CDLA-Permissive-2.0", "a permissive licence for data: root certificates"),
];

/// Packages whose licence is neither permissive nor excepted.
pub fn violations(packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .filter_map(|package| {
            let Package { name, version, licence, .. } = package;
            let Some(licence) = licence else {
                return Some(format!("`{name}` {version} states no licence"));
            };
            let excepted = EXCEPTIONS.iter().any(|(who, what, _)| who == name && what == licence);
            match permissive(licence) {
                Some(true) => None,
                _ if excepted => None,
                Some(false) => Some(format!(
                    "`{name}` {version} is under `{licence}`, which is not permissive: do without \
                     it, or name it with a reason in EXCEPTIONS of tools/xtask/src/licence.rs"
                )),
                None => Some(format!(
                    "`{name}` {version}: `{licence}` is no SPDX expression that this check can read"
                )),
            }
        })
        .collect()
}

/// Whether an SPDX expression leaves a permissive choice; `None` if it is malformed.
///
/// Reads `OR`, `AND`, `WITH`, parentheses, and the older `/` for `OR`. An exception after `WITH` only
/// ever permits more, so the licence before it decides.
fn permissive(expression: &str) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = Words { words: spaced.split_whitespace().collect(), at: 0 };
    let permissive = words.any()?;
    (words.at == words.words.len()).then_some(permissive)
}

/// A recursive-descent reader: `any` binds looser than `all`, which binds looser than `one`.
struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Words<'a> {
    fn any(&mut self) -> Option<bool> {
        let mut permissive = self.all()?;
        while self.take("OR") {
            permissive |= self.all()?;
        }
        Some(permissive)
    }

    fn all(&mut self) -> Option<bool> {
        let mut permissive = self.one()?;
        while self.take("AND") {
            permissive &= self.one()?;
        }
        Some(permissive)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let permissive = self.any()?;
            return self.take(")").then_some(permissive);
        }
        let licence = self.name()?;
        if self.take("WITH") {
            self.name()?;
        }
        Some(PERMISSIVE.contains(&licence))
    }

    fn name(&mut self) -> Option<&'a str> {
        let word = *self.words.get(self.at)?;
        self.at += 1;
        (!matches!(word, "OR" | "AND" | "WITH" | "(" | ")")).then_some(word)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{self, sample::foreign};

    #[test]
    fn every_dependency_is_permissive() {
        let packages = graph::read(&crate::root()).unwrap();
        assert_eq!(violations(&packages), Vec::<String>::new());
        for (name, licence, _) in EXCEPTIONS {
            let used = packages.iter().any(|package| {
                package.name == *name && package.licence.as_deref() == Some(licence)
            });
            assert!(used, "the exception for {name} is no longer needed");
        }
    }

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let cases = [
            ("MIT", Some(true)),
            ("GPL-3.0-only", Some(false)),
            ("MIT/Apache-2.0", Some(true)),
            ("MIT OR LGPL-2.1-or-later", Some(true)),
            ("MIT AND LGPL-2.1-or-later", Some(false)),
            ("GPL-3.0-only OR MIT AND ISC", Some(true)),
            ("(GPL-3.0-only OR MIT) AND MPL-2.0", Some(false)),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", Some(true)),
            ("Apache-2.0 WITH LLVM-exception", Some(true)),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT Apache-2.0", None),
            ("", None),
        ];
        for (expression, expected) in cases {
            assert_eq!(permissive(expression), expected, "{expression}");
        }
    }

    #[test]
    fn copyleft_silence_and_nonsense_are_refused_and_exceptions_hold_for_one_licence() {
        let packages = [
            foreign("fine", Some("MIT")),
            foreign("indent", Some("MPL-2.0")),
            foreign("copyleft", Some("AGPL-3.0-only")),
            foreign("silent", None),
            foreign("garbled", Some("MIT AND")),
            foreign("option-ext", Some("GPL-3.0-only")),
        ];
        let found = violations(&packages);
        let named = ["`copyleft`", "`silent`", "`garbled`", "`option-ext`"];
        assert_eq!(found.len(), named.len(), "{found:?}");
        for (line, name) in found.iter().zip(named) {
            assert!(line.starts_with(name), "{line}");
        }
    }
}
