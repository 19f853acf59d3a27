//! Work that goes on without anybody asking.
