//! Episodes on disk in LeRobotDataset v3.0: durable writing, reading, repair
