//! Rows on their way to rerun.
//!
//! Rerun's own batcher makes a message of what each entity has got every 8 or 200 ms, in threads of its own: whatever a
//! message costs is then paid again and again, by threads whose time cannot be counted. Here rows are gathered until
//! there are many, and turned into messages by who displays.

use rerun::log::{Chunk, ChunkError, PendingRow};
use rerun::{EntityPath, SerializedComponentBatch, SizeBytes as _, TimeCell, TimePoint};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

/// Bytes of an entity after which its rows are sent: rerun's own measure.
const FULL: u64 = 1 << 20;

/// Rows of one message whose times are not in order, at most: rerun's own measure.
const UNSORTED: u64 = 256;

/// Rows by entity, and what is known of each entity already.
#[derive(Default)]
pub(super) struct Batch {
    now: TimePoint,
    rows: HashMap<EntityPath, Rows>,
    since: Option<Instant>,
    known: HashMap<EntityPath, Vec<SerializedComponentBatch>>,
}

/// Those of one entity.
#[derive(Default)]
struct Rows {
    rows: Vec<PendingRow>,
    bytes: u64,
}

impl Batch {
    /// Sets the present on a timeline.
    pub fn set(&mut self, timeline: &'static str, now: impl Into<TimeCell>) {
        self.now.insert_cell(timeline, now);
    }

    /// Adds a row at the present; gives those of its entity, if they are many.
    pub fn add(&mut self, entity: EntityPath, what: Vec<SerializedComponentBatch>) -> Full {
        let now = self.now.clone();
        self.push(entity, now, what)
    }

    /// Adds what holds at all times.
    pub fn add_fixed(&mut self, entity: EntityPath, what: Vec<SerializedComponentBatch>) -> Full {
        self.push(entity, TimePoint::default(), what)
    }

    /// Adds a row at the present without what is as it was in the last one of this entity.
    pub fn add_changed(
        &mut self,
        entity: EntityPath,
        mut what: Vec<SerializedComponentBatch>,
    ) -> Full {
        let known = self.known.entry(entity.clone()).or_default();
        what.retain(|new| {
            let old = known.iter_mut().find(|old| old.descriptor == new.descriptor);
            match old {
                Some(old) if old == new => return false,
                Some(old) => *old = new.clone(),
                None => known.push(new.clone()),
            }
            true
        });
        self.add(entity, what)
    }

    /// Forgets what is known of an entity and of those below it.
    pub fn forget(&mut self, entity: &EntityPath) {
        self.known.retain(|known, _| !known.starts_with(entity));
    }

    /// For how long the oldest row has been held back.
    pub fn age(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    /// Takes all rows.
    pub fn take(&mut self) -> Vec<(EntityPath, Vec<PendingRow>)> {
        self.since = None;
        self.rows.drain().map(|(entity, Rows { rows, .. })| (entity, rows)).collect()
    }

    fn push(
        &mut self,
        entity: EntityPath,
        time: TimePoint,
        what: Vec<SerializedComponentBatch>,
    ) -> Full {
        if what.is_empty() {
            return None;
        }
        self.since.get_or_insert_with(Instant::now);
        let mut slot = match self.rows.entry(entity) {
            Entry::Occupied(slot) => slot,
            Entry::Vacant(free) => free.insert_entry(Rows::default()),
        };
        let rows = slot.get_mut();
        // The arrays themselves: of their pointers, only a share is counted where they are known, too.
        rows.bytes += what.iter().map(|it| it.array.as_ref().heap_size_bytes()).sum::<u64>();
        rows.rows.push(PendingRow::from_iter(time, what));
        (rows.bytes >= FULL).then(|| {
            let (entity, Rows { rows, .. }) = slot.remove_entry();
            (entity, rows)
        })
    }
}

/// Rows of an entity that are many enough to be sent.
pub(super) type Full = Option<(EntityPath, Vec<PendingRow>)>;

/// Some chunks of the rows of an entity.
pub(super) fn chunks(
    entity: EntityPath,
    rows: Vec<PendingRow>,
) -> impl Iterator<Item = Result<Chunk, ChunkError>> {
    PendingRow::many_into_chunks(entity, UNSORTED, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rerun::{AsComponents as _, archetypes};

    fn line(end: f32, color: u8) -> Vec<SerializedComponentBatch> {
        archetypes::LineStrips3D::new([[[0.0; 3], [end; 3]]])
            .with_colors([[color; 3]])
            .as_serialized_batches()
    }

    /// Rows and components of each chunk.
    fn sizes(batch: &mut Batch) -> Vec<(usize, usize)> {
        let chunks = batch.take().into_iter().flat_map(|(entity, rows)| chunks(entity, rows));
        let size = |chunk: Result<Chunk, ChunkError>| {
            let chunk = chunk.unwrap();
            (chunk.num_rows(), chunk.components().len())
        };
        let mut sizes: Vec<_> = chunks.map(size).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn what_is_unchanged_is_not_sent_again() {
        let (mut batch, entity) = (Batch::default(), EntityPath::from("path/executed"));
        let show = |batch: &mut Batch, step: i64, end, color| {
            batch.set("step", TimeCell::from_sequence(step));
            assert!(batch.add_changed(entity.clone(), line(end, color)).is_none());
        };
        show(&mut batch, 0, 1.0, 7);
        assert_eq!(sizes(&mut batch), [(1, 2)]);
        show(&mut batch, 1, 1.0, 7);
        assert_eq!(sizes(&mut batch), []);
        assert!(batch.age().is_none());
        show(&mut batch, 2, 2.0, 7);
        show(&mut batch, 3, 3.0, 7);
        assert_eq!(sizes(&mut batch), [(2, 1)], "the line without its colour");
        show(&mut batch, 4, 3.0, 8);
        assert_eq!(sizes(&mut batch), [(1, 1)], "the colour without its line");
        // What was cleared has to be told again, another entity is not concerned.
        batch.forget(&"other".into());
        show(&mut batch, 5, 3.0, 8);
        assert_eq!(sizes(&mut batch), []);
        batch.forget(&"path".into());
        show(&mut batch, 6, 3.0, 8);
        assert_eq!(sizes(&mut batch), [(1, 2)]);
    }

    #[test]
    fn rows_of_an_entity_become_one_message() {
        let mut batch = Batch::default();
        for step in 0..100 {
            batch.set("step", TimeCell::from_sequence(step));
            let value = archetypes::Scalars::single(1.0);
            for entity in ["action", "state"] {
                assert!(batch.add(entity.into(), value.as_serialized_batches()).is_none());
            }
        }
        assert!(batch.age().is_some());
        assert_eq!(sizes(&mut batch), [(100, 1), (100, 1)]);
        let large = archetypes::Image::from_rgb24(vec![0; 1 << 20], [1024, 341]);
        let full = batch.add_changed("camera".into(), large.as_serialized_batches());
        assert_eq!(full.map(|(_, rows)| rows.len()), Some(1), "what is much is sent at once");
        assert_eq!(sizes(&mut batch), []);
    }
}
