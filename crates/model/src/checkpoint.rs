//! Checkpoints: safetensors and JSON in a folder that appears under its name only when complete.
//!
//! `<step>/model.safetensors, config.json, optimizer.safetensors, state.json`, at the end of training
//! `distance.safetensors`, and `last`, a link to the newest. All randomness of training is a function of
//! seed and step, so these restore a run to the bit.

use crate::config::{ModelSpec, TrainConfig};
use crate::error::io;
use crate::world_model::NamedArray;
use crate::{Distance, ModelError, Trainer, WorldModel};
use housecat_core::Seed;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where training stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    step: u64,
    skipped: u64,
    seed: Seed,
    train: TrainConfig,
}

/// Writes the trainer's state into `folder/<step>` and points `folder/last` at it. Returns its path.
///
/// # Errors
/// If a file cannot be written (a full disk, for example); earlier checkpoints are untouched then.
pub fn save_checkpoint(
    trainer: &Trainer<'_>,
    folder: &Path,
    seed: Seed,
) -> Result<PathBuf, ModelError> {
    let step = trainer.steps_done();
    let target = folder.join(step.to_string());
    let partial = folder.join(format!(".partial-{step}"));
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(io(&partial))?;
    }
    fs::create_dir_all(&partial).map_err(io(&partial))?;
    let written = write_files(trainer, &partial, seed, step);
    if let Err(error) = written {
        // Best effort: the message about the failure matters more than one about the clean-up.
        let _ = fs::remove_dir_all(&partial);
        return Err(error);
    }
    if target.exists() {
        // A step has one outcome: what is there is this checkpoint, and replacing it would leave a moment
        // without any.
        fs::remove_dir_all(&partial).map_err(io(&partial))?;
    } else {
        fs::rename(&partial, &target).map_err(io(&target))?;
    }
    sync_folder(folder)?;
    point_last(folder, step)?;
    Ok(target)
}

fn write_files(
    trainer: &Trainer<'_>,
    partial: &Path,
    seed: Seed,
    step: u64,
) -> Result<(), ModelError> {
    let model = trainer.model();
    write_model(model, partial)?;
    let optimizer = trainer.optimizer();
    let moments = optimizer.first.iter().zip(&optimizer.second);
    let arrays: Vec<NamedArray> = model
        .variables
        .iter()
        .zip(moments)
        .flat_map(|((name, var), (first, second))| {
            let named = |kind: &str, values: &Vec<f32>| NamedArray {
                name: format!("{kind}.{name}"),
                shape: var.dims().to_vec(),
                values: values.clone(),
            };
            [named("first", first), named("second", second)]
        })
        .collect();
    write_file(&partial.join("optimizer.safetensors"), &serialize(&arrays)?)?;
    let state =
        State { step, skipped: trainer.steps_skipped(), seed, train: trainer.config().clone() };
    write_file(&partial.join("state.json"), &to_json(&state)?)?;
    sync_folder(partial)
}

fn write_model(model: &WorldModel, folder: &Path) -> Result<(), ModelError> {
    write_file(&folder.join("model.safetensors"), &serialize(&model.arrays()?)?)?;
    write_file(&folder.join("config.json"), &to_json(model.spec())?)
}

/// Writes a model alone into a new folder, for [`load_model`] and [`Trainer::start_from`].
///
/// # Errors
/// If the folder exists already or a file cannot be written.
pub fn save_model(model: &WorldModel, folder: &Path) -> Result<(), ModelError> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(io(parent))?;
    }
    fs::create_dir(folder).map_err(io(folder))?;
    write_model(model, folder)?;
    sync_folder(folder)
}

/// Makes `last` in a folder of checkpoints mean the one of this step.
///
/// # Errors
/// If the link cannot be written.
#[cfg(unix)]
pub fn point_last(folder: &Path, step: u64) -> Result<(), ModelError> {
    let fresh = folder.join(".last");
    if fresh.symlink_metadata().is_ok() {
        fs::remove_file(&fresh).map_err(io(&fresh))?;
    }
    std::os::unix::fs::symlink(step.to_string(), &fresh).map_err(io(&fresh))?;
    let last = folder.join("last");
    fs::rename(&fresh, &last).map_err(io(&last))?;
    sync_folder(folder)
}

pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let mut file = File::create(path).map_err(io(path))?;
    file.write_all(bytes).map_err(io(path))?;
    file.sync_all().map_err(io(path))
}

fn sync_folder(folder: &Path) -> Result<(), ModelError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(io(folder))
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, ModelError> {
    serde_json::to_vec_pretty(value).map_err(|error| {
        ModelError::Data(format!("the configuration cannot be written as JSON: {error}"))
    })
}

pub(crate) fn serialize(arrays: &[NamedArray]) -> Result<Vec<u8>, ModelError> {
    let bytes: Vec<Vec<u8>> = arrays
        .iter()
        .map(|array| array.values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let failed =
        |error| ModelError::Data(format!("the weights cannot be written as safetensors: {error}"));
    let views = arrays
        .iter()
        .zip(&bytes)
        .map(|(array, bytes)| {
            Ok((
                array.name.as_str(),
                TensorView::new(Dtype::F32, array.shape.clone(), bytes).map_err(failed)?,
            ))
        })
        .collect::<Result<Vec<_>, ModelError>>()?;
    safetensors::serialize(views, None).map_err(failed)
}

fn bad(path: &Path, detail: impl std::fmt::Display) -> ModelError {
    ModelError::Checkpoint { path: path.to_owned(), detail: detail.to_string() }
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, ModelError> {
    let text = fs::read(path).map_err(io(path))?;
    serde_json::from_slice(&text).map_err(|error| bad(path, error))
}

/// The array called `name`, refused unless its shape is as wanted and its values are finite.
pub(crate) fn fetch(
    path: &Path,
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>, ModelError> {
    let (values, found) = fetch_any(path, tensors, name)?;
    match found == shape {
        true => Ok(values),
        false => Err(bad(path, format!("`{name}` is {found:?}, wanted {shape:?}"))),
    }
}

/// The array called `name` with its shape, refused unless its values are finite.
pub(crate) fn fetch_any(
    path: &Path,
    tensors: &SafeTensors<'_>,
    name: &str,
) -> Result<(Vec<f32>, Vec<usize>), ModelError> {
    let view = tensors.tensor(name).map_err(|_| bad(path, format!("it lacks `{name}`")))?;
    if view.dtype() != Dtype::F32 {
        return Err(bad(path, format!("`{name}` is {:?}, wanted F32", view.dtype())));
    }
    let values: Vec<f32> =
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    match values.iter().all(|value| value.is_finite()) {
        true => Ok((values, view.shape().to_vec())),
        false => Err(bad(path, format!("`{name}` holds values that are not finite"))),
    }
}

/// Takes the weights of a checkpoint.
pub(crate) fn load_into(model: &mut WorldModel, folder: &Path) -> Result<(), ModelError> {
    let path = folder.join("model.safetensors");
    let bytes = fs::read(&path).map_err(io(&path))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(&path, error))?;
    model.load(&|name, shape| fetch(&path, &tensors, name, shape))
}

/// Refuses a checkpoint whose model, sim or senses differ from the wanted ones.
pub(crate) fn check_spec(want: &ModelSpec, folder: &Path) -> Result<(), ModelError> {
    let path = folder.join("config.json");
    let found: ModelSpec = read_json(&path)?;
    if found.sim != want.sim {
        return Err(bad(&path, format!("it is of the sim `{}`, wanted `{}`", found.sim, want.sim)));
    }
    match found == *want {
        true => Ok(()),
        false => Err(bad(&path, "its model differs from the configured one")),
    }
}

/// Reads the model of a checkpoint folder (`.../checkpoints/<step>` or `.../checkpoints/last`).
///
/// # Errors
/// If a file is missing, malformed, of another version, or does not fit its own configuration.
pub fn load_model(folder: &Path) -> Result<WorldModel, ModelError> {
    let path = folder.join("config.json");
    let spec: ModelSpec = read_json(&path)?;
    if spec.format != ModelSpec::FORMAT {
        return Err(bad(
            &path,
            format!("it has format {}, this version reads {}", spec.format, ModelSpec::FORMAT),
        ));
    }
    let mut model = WorldModel::new(spec, Seed::new(0))?;
    load_into(&mut model, folder)?;
    Ok(match Distance::load(folder, model.latent_dim())? {
        Some(distance) => model.with_distance(distance),
        None => model,
    })
}

/// Puts a trainer into the state of a checkpoint of the same run.
///
/// # Errors
/// If the checkpoint is of another model, configuration or seed, or a file is unusable.
pub fn load_checkpoint(
    trainer: &mut Trainer<'_>,
    folder: &Path,
    seed: Seed,
) -> Result<(), ModelError> {
    check_spec(trainer.model().spec(), folder)?;
    let path = folder.join("state.json");
    let state: State = read_json(&path)?;
    if state.train != *trainer.config() || state.seed != seed {
        return Err(bad(&path, "it was trained with another configuration or seed"));
    }
    let (model, _) = trainer.restore(state.step, state.skipped);
    load_into(model, folder)?;
    let path = folder.join("optimizer.safetensors");
    let bytes = fs::read(&path).map_err(io(&path))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(&path, error))?;
    let (model, optimizer) = trainer.restore(state.step, state.skipped);
    for (index, (name, var)) in model.variables.iter().enumerate() {
        optimizer.first[index] = fetch(&path, &tensors, &format!("first.{name}"), var.dims())?;
        optimizer.second[index] = fetch(&path, &tensors, &format!("second.{name}"), var.dims())?;
    }
    Ok(())
}
