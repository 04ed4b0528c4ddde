//! Verification: every byte read, every number compared with what it should be.

use crate::column::{self, Column};
use crate::dataset::{Dataset, in_parallel};
use crate::decode::{self, DataFile, Rows};
use crate::encode::Values;
use crate::writer::STAGING;
use crate::{DataError, Features, Stats, meta, seal};
use arrow_array::RecordBatch;
use serde::Serialize;
use std::path::Path;
use std::sync::Mutex;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Episodes looked at.
    pub episodes: usize,
    /// Rows looked at.
    pub frames: usize,
    /// Data files.
    pub files: usize,
    /// One sentence for each thing that is wrong; empty for a sound dataset.
    pub problems: Vec<String>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Reads everything in a dataset and checks it: footers and metadata agree, indices are contiguous,
/// times are exact, values finite, images whole, statistics those of the rows. Never fails: whatever
/// is wrong is in the report, metadata first, then episodes in order.
pub fn verify(path: &Path, threads: usize) -> VerifyReport {
    let dataset = match Dataset::open(path) {
        Ok(dataset) => dataset,
        Err(error) => {
            return VerifyReport { problems: vec![error.to_string()], ..VerifyReport::default() };
        }
    };
    let mut report = VerifyReport {
        episodes: dataset.episodes().len(),
        frames: dataset.frames(),
        files: dataset.files(),
        problems: Vec::new(),
    };
    if path.join(STAGING).is_dir() || seal::has_begun(path) {
        report.problems.push(format!(
            "{} has leftovers of an interrupted sealing: `housecat repair` removes them",
            path.display()
        ));
    }
    let merged = meta::merged_stats(dataset.columns(), &dataset.rows);
    for ((column, have), want) in dataset.columns().iter().zip(dataset.column_stats()).zip(merged) {
        if *have != want {
            report.problems.push(format!(
                "{}: the statistics of `{}` are not those of its episodes",
                path.join(meta::STATS).display(),
                column.name
            ));
        }
    }
    let found = Mutex::new(Vec::new());
    let check = |index: usize| {
        let (file, group) = dataset.place(index);
        if let Err(error) = check_episode(&dataset, index, file, group) {
            let mut found = found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            found.push((index, format!("episode {index}: {error}")));
        }
        Ok(())
    };
    let done = in_parallel(threads, (0..dataset.episodes().len()).collect(), check);
    report.problems.extend(done.err().map(|error| error.to_string()));
    let mut found = found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    found.sort();
    report.problems.extend(found.into_iter().map(|(_, problem)| problem));
    report
}

fn check_episode(
    dataset: &Dataset,
    index: usize,
    file: &DataFile,
    group: usize,
) -> Result<(), DataError> {
    let batch = file.read(Some(group), None)?;
    let row = &dataset.rows[index];
    let task = &dataset.episodes()[index].task;
    let mut stats = check_payload(dataset.features(), &file.path, &batch, index, task)?;
    let rows = Rows { path: &file.path, batch: &batch };
    let expected = [
        (column::EPISODE_INDEX, vec![index as i64; row.frames]),
        (column::INDEX, (row.from as i64..(row.from + row.frames) as i64).collect()),
        (column::TASK_INDEX, vec![row.task as i64; row.frames]),
    ];
    for (name, want) in expected {
        if rows.ints(name)? != want {
            return Err(DataError::column(&file.path, name, "does not hold the episode's place"));
        }
        stats.push(Stats::of_values(want.iter().map(|&value| value as f64), 1));
    }
    let columns = dataset.columns().iter();
    match columns.zip(&row.stats).zip(&stats).find(|((_, have), want)| have != want) {
        None => Ok(()),
        Some(((column, _), _)) => Err(DataError::inconsistent(
            &dataset.path().join(meta::EPISODES),
            format!("the statistics of `{}` are not those of its rows", column.name),
        )),
    }
}

/// Decodes the payload of an episode, checks it down to the bits of derived columns, and returns its
/// statistics.
pub(crate) fn check_payload(
    features: &Features,
    path: &Path,
    batch: &RecordBatch,
    index: usize,
    task: &str,
) -> Result<Vec<Stats>, DataError> {
    let episode = decode::episode(features, path, batch, task)?;
    let rows = Rows { path, batch };
    let check = |column: &Column| {
        let values = Values::of(features, column, index as u64, &episode)?;
        let name = column.name.as_str();
        let same = match &values {
            Values::Floats(want) => {
                let have = rows.floats(name)?;
                have.iter()
                    .map(|value| value.to_bits())
                    .eq(want.iter().map(|value| value.to_bits()))
            }
            Values::Bools(want) => rows.bools(name)? == *want,
            Values::Ints(want) => rows.ints(name)? == *want,
            // Decoded, which is the check.
            Values::Images(_) => true,
        };
        if same {
            Ok(values.stats(column))
        } else {
            Err(DataError::column(path, name, "does not follow from the other columns"))
        }
    };
    column::payload(features).iter().map(check).collect()
}
