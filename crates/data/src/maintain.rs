//! Repairing and merging datasets.

use crate::column;
use crate::dataset::{Dataset, data_files};
use crate::decode::DataFile;
use crate::seal::{self, DataFooter, FILE_LIMIT, Source, Summary};
use crate::verify::{check_payload, verify};
use crate::writer::{DatasetWriter, STAGING, place_aside};
use crate::{DataError, Features, disk, meta};
use serde::Serialize;
use std::fs;
use std::path::Path;

/// What a repair found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Episodes in the dataset now.
    pub episodes: usize,
    /// Rows in the dataset now.
    pub frames: usize,
    /// What was done, one sentence each; empty if nothing was wrong.
    pub actions: Vec<String>,
    /// Episodes and files that could not be saved, one sentence each. Damaged files are kept in the
    /// folder `damaged/` of the dataset.
    pub lost: Vec<String>,
}

/// Makes a sound, sealed dataset of whatever is at `path`: completes an interrupted sealing, seals
/// what an interrupted collection left, or rebuilds the metadata from the data files. Episodes that
/// cannot be read are left out and named; later ones move up in number.
///
/// # Errors
/// [`DataError::Missing`] if there is nothing of a dataset, [`DataError::Empty`] if nothing in it can
/// be read, [`DataError::Busy`] if it is being written; failures of the file system.
pub fn repair(path: &Path, threads: usize) -> Result<RepairReport, DataError> {
    let mut report = RepairReport::default();
    if seal::is_pending(path) {
        seal::install(path)?;
        report.actions.push("completed an interrupted sealing".into());
    }
    if path.join(meta::INFO).is_file() {
        for leftover in [STAGING, ".sealing"].map(|name| path.join(name)) {
            if leftover.is_dir() {
                disk::remove_folder(&leftover)?;
                report.actions.push("removed leftovers of an interrupted sealing".into());
            }
        }
        let found = verify(path, threads);
        if found.is_sound() {
            (report.episodes, report.frames) = (found.episodes, found.frames);
            return Ok(report);
        }
        report.actions.extend(found.problems);
        rebuild(path, &mut report)?;
    } else if path.join(STAGING).is_dir() {
        let writer = DatasetWriter::resume(path)?;
        report.lost.extend_from_slice(writer.damaged());
        let kept: Vec<u64> = writer.acknowledged().collect();
        if kept.iter().enumerate().any(|(at, &index)| at as u64 != index) {
            report.actions.push(format!("closed gaps: kept the episodes {}", ranges(&kept)));
        }
        let summary = writer.seal_with(FILE_LIMIT)?;
        report.actions.push(format!("sealed {} episodes", summary.episodes));
        (report.episodes, report.frames) = (summary.episodes, summary.frames);
    } else if data_files(path)?.is_empty() {
        return Err(DataError::Missing { path: path.to_owned(), missing: meta::INFO });
    } else {
        rebuild(path, &mut report)?;
    }
    Ok(report)
}

/// Builds the dataset anew from those row groups of its data files that are whole.
fn rebuild(root: &Path, report: &mut RepairReport) -> Result<(), DataError> {
    let mut sources: Vec<Source> = Vec::new();
    let mut features: Option<Features> = None;
    for path in data_files(root)? {
        let before = report.lost.len();
        match salvage(&path, &mut features, &mut report.lost) {
            Ok(found) => sources.extend(found),
            Err(error) => report.lost.push(format!("all episodes of a file: {error}")),
        }
        if report.lost.len() > before {
            let kept = place_aside(root, &path)?;
            fs::hard_link(&path, &kept)
                .or_else(|_| fs::copy(&path, &kept).map(drop))
                .map_err(|error| DataError::io("keep", &kept, error))?;
            report.actions.push(format!(
                "kept the damaged {} as {}",
                path.display(),
                kept.display()
            ));
        }
    }
    let features = features.ok_or_else(|| DataError::Empty { path: root.to_owned() })?;
    let summary = seal::seal(root, &features, &sources, FILE_LIMIT)?;
    report.actions.push(format!("rebuilt the dataset from {} episodes", summary.episodes));
    (report.episodes, report.frames) = (summary.episodes, summary.frames);
    Ok(())
}

/// The whole row groups of one data file; those that are not are named in `lost`.
fn salvage(
    path: &Path,
    features: &mut Option<Features>,
    lost: &mut Vec<String>,
) -> Result<Vec<Source>, DataError> {
    let file = DataFile::open(path)?;
    let footer =
        file.footer().ok_or_else(|| DataError::damaged(path, "its footer has no tasks"))?;
    let footer: DataFooter =
        serde_json::from_str(footer).map_err(|error| DataError::damaged(path, error))?;
    footer.features.check()?;
    let known = features.get_or_insert_with(|| footer.features.clone());
    known.must_match(&footer.features, path, true)?;
    file.check_columns(&column::all(known))?;
    let mut sources = Vec::new();
    for (row_group, group) in file.row_groups().iter().enumerate() {
        let read = || {
            let batch = file.read(Some(row_group), None)?;
            let rows = crate::decode::Rows { path, batch: &batch };
            let task = rows.ints(column::TASK_INDEX)?.first().copied().unwrap_or(-1);
            let task = usize::try_from(task).ok().and_then(|task| footer.tasks.get(&task));
            let task = task.ok_or_else(|| {
                DataError::column(path, column::TASK_INDEX, "names a task the footer lacks")
            })?;
            let stats = check_payload(known, path, &batch, row_group, task)?;
            Ok::<_, DataError>(Source {
                path: path.to_owned(),
                row_group,
                frames: batch.num_rows(),
                bytes: group.compressed_size().max(0) as u64,
                task: task.clone(),
                stats,
            })
        };
        match read() {
            Ok(source) => sources.push(source),
            Err(error) => lost.push(format!("the episode in row group {row_group}: {error}")),
        }
    }
    Ok(sources)
}

/// Puts datasets of the same sim, spaces and privileged state one after the other into a new one.
/// Rows are copied without decoding; provenance that differs is joined with commas.
///
/// # Errors
/// [`DataError::FeaturesDiffer`] naming the first difference; [`DataError::Sealed`] or
/// [`DataError::NotEmpty`] if `output` is not free; whatever keeps an input from being opened.
pub fn merge(inputs: &[&Path], output: &Path) -> Result<Summary, DataError> {
    if output.join(meta::INFO).exists() {
        return Err(DataError::Sealed { path: output.to_owned() });
    }
    if seal::is_pending(output) {
        return Err(DataError::Unsealed { path: output.to_owned() });
    }
    // A merge that was cut off leaves nothing but its unfinished work, which is begun anew.
    seal::discard(output)?;
    if let Some(found) = disk::list(output)?.first() {
        let found = found.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(DataError::NotEmpty { path: output.to_owned(), found });
    }
    let (mut sources, mut merged): (Vec<Source>, Option<Features>) = (Vec::new(), None);
    for input in inputs {
        let dataset = Dataset::open(input)?;
        sources.extend(dataset.sources());
        let features = dataset.features();
        match &mut merged {
            None => merged = Some(features.clone()),
            Some(merged) => {
                features.must_match(merged, input, false)?;
                for (key, value) in &features.provenance {
                    let known =
                        merged.provenance.entry(key.clone()).or_insert_with(|| value.clone());
                    if known.split(", ").all(|part| part != value) {
                        *known += &format!(", {value}");
                    }
                }
            }
        }
    }
    let features = merged.ok_or_else(|| DataError::Empty { path: output.to_owned() })?;
    seal::seal(output, &features, &sources, FILE_LIMIT)
}

/// Ascending numbers as ranges: `0-3, 5`.
fn ranges(numbers: &[u64]) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => parts.push((number, number)),
        }
    }
    let part = |&(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(", ")
}
