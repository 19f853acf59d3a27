//! The HTTP server around the dialects.
