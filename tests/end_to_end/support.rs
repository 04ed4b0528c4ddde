//! Running the binary, and looking at what it left.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The sims of this repository.
pub fn repository_sims() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sims").canonicalize().unwrap()
}

/// Their names.
pub fn sim_names() -> Vec<String> {
    let names = fs::read_dir(repository_sims()).unwrap().flatten().filter(|entry| {
        entry.path().join("sim.toml").is_file() && entry.path().join("train.toml").is_file()
    });
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    names
}

/// Flags under which every stage takes a second.
pub const TINY: &[&str] = &[
    "--set=collect.episodes=8",
    "--set=collect.steps=40",
    "--set=train.steps=20",
    "--set=train.batch=8",
    "--set=train.checkpoint_every=10",
    "--set=eval.pairs=3",
    "--set=eval.seeds=[0]",
    "--set=planner.samples=16",
    "--set=planner.iterations=2",
    "--set=planner.warm_iterations=1",
    "--set=oracle.samples=16",
    "--set=oracle.iterations=2",
    "--set=oracle.warm_iterations=1",
];

/// How a command ended.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// It must have succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// It must have failed with this code, without a panic, and said all of this.
    #[track_caller]
    pub fn fails(self, code: i32, says: &[&str]) -> Self {
        let Self { code: found, stdout, stderr } = &self;
        assert_eq!(*found, code, "stdout {stdout}\nstderr {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(stderr.contains("error: "), "{stderr}");
        for part in says {
            assert!(stderr.contains(part), "`{part}` is not in: {stderr}");
        }
        self
    }

    /// Its stdout must be exactly one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(document) => document,
            Err(error) => panic!("{error}: {}", self.stdout),
        }
    }
}

/// A folder to work in, and the sims that commands there find.
pub struct Place {
    folder: tempfile::TempDir,
    sims: PathBuf,
}

impl Place {
    /// An empty folder with the repository's sims.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), sims: repository_sims() }
    }

    /// An empty folder with a copy of the sims, to be edited.
    pub fn with_own_sims() -> Self {
        let mut place = Self::new();
        place.sims = place.path("sims");
        copy_folder(&repository_sims(), &place.sims);
        place
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces text in a file; it must be there.
    #[track_caller]
    pub fn edit(&self, file: &str, old: &str, new: &str) {
        let path = self.path(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "`{old}` is not in {file}");
        fs::write(path, text.replace(old, new)).unwrap();
    }

    /// Cuts a file to half.
    pub fn truncate(&self, file: &str) {
        let bytes = fs::read(self.path(file)).unwrap();
        fs::write(self.path(file), &bytes[..bytes.len() / 2]).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_housecat"));
        command.args(args).current_dir(self.folder.path()).env("HOUSECAT_SIMS", &self.sims);
        command.env_remove("HOUSECAT_LOG");
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, &[])
    }

    /// Writes a program for the shell.
    pub fn program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a command to its end, in an environment of its own.
    pub fn run_with(&self, args: &[&str], environment: &[(&str, &Path)]) -> Output {
        let output = self.command(args).envs(environment.iter().copied()).output().unwrap();
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command with a tiny budget.
    pub fn tiny(&self, args: &[&str]) -> Output {
        self.run(&[args, TINY].concat())
    }

    /// Starts a command, waits for `ready`, and sends it a signal (`INT`, `TERM`, `KILL`). It must
    /// still have been at work.
    #[track_caller]
    pub fn interrupt(&self, args: &[&str], signal: &str, ready: impl Fn() -> bool) -> Output {
        let mut child =
            self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        while !ready() {
            assert!(child.try_wait().unwrap().is_none(), "it ended too early: {:?}", end(child));
            assert!(Instant::now() < deadline, "it never got ready");
            std::thread::sleep(Duration::from_millis(2));
        }
        let sent =
            Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        end(child)
    }

    /// A tiny dataset called `data`.
    pub fn collect(&self, sim: &str) {
        self.tiny(&["collect", sim, "--out", "data"]).ok();
    }

    /// A tiny trained run called `model`, on `data`.
    pub fn train(&self, sim: &str) {
        self.collect(sim);
        self.tiny(&["train", "data", "--out", "model"]).ok();
    }
}

fn end(child: Child) -> Output {
    use std::os::unix::process::ExitStatusExt as _;
    let output = child.wait_with_output().unwrap();
    let killed = output.status.signal().map(|signal| 128 + signal);
    Output {
        code: output.status.code().or(killed).unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Copies a folder with all it holds.
pub fn copy_folder(from: &Path, to: &Path) {
    for (name, bytes) in tree(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// The files of a folder, by relative path, links followed.
pub fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(root, &path, files),
                false => {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(root, root, &mut files);
    files
}

/// Two folders must hold the same files with the same bytes.
#[track_caller]
pub fn assert_same(a: &Path, b: &Path) {
    let (left, right) = (tree(a), tree(b));
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for (name, bytes) in &left {
        assert!(*bytes == right[name], "{name} differs in {} and {}", a.display(), b.display());
    }
}

/// Episodes that wait for sealing.
pub fn staged(dataset: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dataset.join(".staging")) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".parquet"))
        .count()
}

/// A document without the fields that tell time.
pub fn timeless(mut document: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for key in ["plan_ms", "seconds"] {
                    fields.remove(key);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut document);
    document
}
