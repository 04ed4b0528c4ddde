//! The planning policy, evaluation protocols and their statistics
