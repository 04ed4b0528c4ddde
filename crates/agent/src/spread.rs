//! Work on many environments at once.

use crate::AgentError;
use crate::evaluate::Evaluator;
use housecat_core::Env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

impl Evaluator<'_> {
    /// Does so many jobs, by number, spread over threads with an environment each. The results, in order, do not
    /// depend on the number of threads if a job's depends on its number only.
    pub(crate) fn spread<T: Send>(
        &self,
        count: usize,
        job: &(dyn Fn(&mut dyn Env, usize) -> Result<T, AgentError> + Sync),
    ) -> Result<Vec<T>, AgentError> {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let results: Mutex<Vec<Option<Result<T, AgentError>>>> =
            Mutex::new((0..count).map(|_| None).collect());
        let work = |env: &mut dyn Env| {
            while !self.interrupt.is_raised() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                let result = job(env, index);
                // Nobody needs the rest: this failure is what is reported.
                if result.is_err() {
                    next.store(count, Ordering::Relaxed);
                }
                if let Ok(mut results) = results.lock() {
                    results[index] = Some(result);
                }
                (self.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, count);
            }
        };
        let threads = self.threads.clamp(1, count.max(1));
        let mut envs =
            (0..threads).map(|_| (self.new_env)()).collect::<Result<Vec<_>, AgentError>>()?;
        std::thread::scope(|scope| {
            for env in &mut envs {
                let work = &work;
                scope.spawn(move || work(&mut **env));
            }
        });
        if self.interrupt.is_raised() {
            return Err(AgentError::Interrupted);
        }
        let results = results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        results.into_iter().flatten().collect()
    }
}
