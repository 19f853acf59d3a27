//! What the books looked like when they were last seen, kept outside the database.
