//! A sims/<name>/ folder becomes an environment: MJCF scene, actuators, goals, tasks, snapshots
