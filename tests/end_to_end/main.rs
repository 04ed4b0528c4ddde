//! End-to-end tests: they drive the binary as a user does.
