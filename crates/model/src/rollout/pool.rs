//! Workers that wait for chunks of samples. Starting a thread takes longer than a small rollout, so they
//! stay; and a chunk owns what it works on, so that nothing is borrowed across threads.

use super::chunk::{Chunk, Network, Task};
use std::any::Any;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// A chunk and what to do with it.
struct Job<N: Network> {
    members: Arc<Vec<N>>,
    chunk: Chunk<N>,
    task: Task<N>,
}

type Outcome<N> = Result<Chunk<N>, Box<dyn Any + Send>>;

struct Queue<N: Network> {
    jobs: VecDeque<Job<N>>,
    closed: bool,
}

struct Shared<N: Network> {
    queue: Mutex<Queue<N>>,
    work: Condvar,
}

impl<N: Network> Shared<N> {
    fn queue(&self) -> MutexGuard<'_, Queue<N>> {
        // Nothing that can panic runs while the lock is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads that work off chunks beside the calling one.
pub(super) struct Pool<N: Network> {
    shared: Arc<Shared<N>>,
    /// Locked by nobody: it makes a rollout that is only looked at one to share.
    done: Mutex<Receiver<Outcome<N>>>,
    workers: Vec<JoinHandle<()>>,
}

impl<N: Network> Pool<N> {
    /// Starts this many threads (the caller is one more).
    pub(super) fn new(workers: usize) -> std::io::Result<Self> {
        let queue = Mutex::new(Queue { jobs: VecDeque::new(), closed: false });
        let shared = Arc::new(Shared { queue, work: Condvar::new() });
        let (sender, done) = channel();
        let mut pool = Self { shared, done: Mutex::new(done), workers: Vec::new() };
        for index in 0..workers {
            let (shared, sender) = (Arc::clone(&pool.shared), sender.clone());
            let builder = std::thread::Builder::new().name(format!("rollout-{index}"));
            pool.workers.push(builder.spawn(move || work(&shared, &sender))?);
        }
        Ok(pool)
    }

    /// Works off all chunks, on the calling thread too. They come back in any order.
    pub(super) fn run(&mut self, members: &Arc<Vec<N>>, chunks: &mut Vec<Chunk<N>>, task: Task<N>) {
        let count = chunks.len();
        {
            let mut queue = self.shared.queue();
            for chunk in chunks.drain(..) {
                let members = Arc::clone(members);
                queue.jobs.push_back(Job { members, chunk, task });
            }
        }
        self.shared.work.notify_all();
        loop {
            let job = self.shared.queue().jobs.pop_front();
            let Some(mut job) = job else { break };
            (job.task)(&mut job.chunk, &job.members);
            chunks.push(job.chunk);
        }
        let done = self.done.get_mut().unwrap_or_else(PoisonError::into_inner);
        while chunks.len() < count {
            match done.recv() {
                Ok(Ok(chunk)) => chunks.push(chunk),
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                // Workers end only when the pool is dropped.
                Err(_) => break,
            }
        }
    }
}

impl<N: Network> Drop for Pool<N> {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.work.notify_all();
        for worker in self.workers.drain(..) {
            // A worker hands its panics on instead of ending by them.
            let _ = worker.join();
        }
    }
}

fn work<N: Network>(shared: &Shared<N>, done: &Sender<Outcome<N>>) {
    loop {
        let mut job = {
            let mut queue = shared.queue();
            loop {
                if let Some(job) = queue.jobs.pop_front() {
                    break job;
                }
                if queue.closed {
                    return;
                }
                queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (job.task)(&mut job.chunk, &job.members);
            job.chunk
        }));
        if done.send(outcome).is_err() {
            return;
        }
    }
}
