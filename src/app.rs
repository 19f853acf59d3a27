//! The wiring: the only file that knows every part.
