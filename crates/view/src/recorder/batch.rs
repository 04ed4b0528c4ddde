//! Rows on their way to rerun.
//!
//! Rerun's own batcher makes a message of what each entity has got every 8 or 200 ms, in threads of its own: whatever a
//! message costs is then paid again and again, by threads whose time cannot be counted. Here rows are gathered until
//! there are many, and turned into messages by who displays.

use rerun::log::{Chunk, ChunkError, PendingRow};
use rerun::{EntityPath, SerializedComponentBatch, SizeBytes as _, TimeCell, TimePoint};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Bytes after which rows are sent: rerun's own measure.
const FULL: u64 = 1 << 20;

/// Rows of one message whose times are not in order, at most: rerun's own measure.
const UNSORTED: u64 = 256;

/// Rows by entity, and what is known of each entity already.
#[derive(Default)]
pub(super) struct Batch {
    now: TimePoint,
    rows: HashMap<EntityPath, Vec<PendingRow>>,
    bytes: u64,
    since: Option<Instant>,
    known: HashMap<EntityPath, Vec<SerializedComponentBatch>>,
}

impl Batch {
    /// Sets the present on a timeline.
    pub fn set(&mut self, timeline: &'static str, now: impl Into<TimeCell>) {
        self.now.insert_cell(timeline, now);
    }

    /// Adds a row at the present.
    pub fn add(&mut self, entity: EntityPath, what: Vec<SerializedComponentBatch>) {
        let now = self.now.clone();
        self.push(entity, now, what);
    }

    /// Adds what holds at all times.
    pub fn add_fixed(&mut self, entity: EntityPath, what: Vec<SerializedComponentBatch>) {
        self.push(entity, TimePoint::default(), what);
    }

    /// Adds a row at the present without what is as it was in the last one of this entity.
    pub fn add_changed(&mut self, entity: EntityPath, mut what: Vec<SerializedComponentBatch>) {
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
        self.add(entity, what);
    }

    /// Forgets what is known of an entity and of those below it.
    pub fn forget(&mut self, entity: &EntityPath) {
        self.known.retain(|known, _| !known.starts_with(entity));
    }

    /// Whether there is so much that it should be sent.
    pub fn is_full(&self) -> bool {
        self.bytes >= FULL
    }

    /// For how long the oldest row has been held back.
    pub fn age(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    /// Takes all rows, some chunks for each entity.
    pub fn take(&mut self) -> impl Iterator<Item = (EntityPath, Result<Chunk, ChunkError>)> {
        (self.bytes, self.since) = (0, None);
        std::mem::take(&mut self.rows).into_iter().flat_map(|(entity, rows)| {
            let chunks = PendingRow::many_into_chunks(entity.clone(), UNSORTED, rows);
            chunks.map(move |chunk| (entity.clone(), chunk))
        })
    }

    fn push(&mut self, entity: EntityPath, time: TimePoint, what: Vec<SerializedComponentBatch>) {
        if what.is_empty() {
            return;
        }
        // The arrays themselves: of their pointers, only a share is counted where they are known, too.
        self.bytes += what.iter().map(|it| it.array.as_ref().heap_size_bytes()).sum::<u64>();
        self.since.get_or_insert_with(Instant::now);
        self.rows.entry(entity).or_default().push(PendingRow::from_iter(time, what));
    }
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
        let chunk = |(_, chunk): (EntityPath, Result<Chunk, ChunkError>)| {
            let chunk = chunk.unwrap();
            (chunk.num_rows(), chunk.components().len())
        };
        let mut sizes: Vec<_> = batch.take().map(chunk).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn what_is_unchanged_is_not_sent_again() {
        let (mut batch, entity) = (Batch::default(), EntityPath::from("path/executed"));
        let show = |batch: &mut Batch, step: i64, end, color| {
            batch.set("step", TimeCell::from_sequence(step));
            batch.add_changed(entity.clone(), line(end, color));
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
            batch.add("action".into(), value.as_serialized_batches());
            batch.add("state".into(), value.as_serialized_batches());
        }
        assert!(batch.age().is_some() && !batch.is_full());
        assert_eq!(sizes(&mut batch), [(100, 1), (100, 1)]);
        let large = archetypes::Image::from_rgb24(vec![0; 1 << 20], [1024, 341]);
        batch.add_changed("camera".into(), large.as_serialized_batches());
        assert!(batch.is_full());
    }
}
