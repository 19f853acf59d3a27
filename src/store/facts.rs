//! Facts as they are kept in events.
