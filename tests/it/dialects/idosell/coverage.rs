//! Which row of the contract which test shows.
