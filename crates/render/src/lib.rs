//! A scene of posed shapes becomes an RGB frame on the CPU
