//! All public APIs together: what is done in one of them is seen, right and in its own words, in
//! all others. `docs/dialects/map.md` shows the words, and is made from what the APIs answer here.

mod map;
mod mutated;
mod races;
mod seen;
mod stage;
mod strangers;
