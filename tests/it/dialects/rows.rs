//! Which row of a contract which test shows, and which rows none does, with the reason.

pub enum Shown {
    By(&'static str),
    Not(&'static str),
}

/// Every row names a test that stands in one of the files, or says why there is none.
#[track_caller]
pub fn check(rows: &[(&str, Shown)], files: &[&str]) {
    for (row, shown) in rows {
        match shown {
            Shown::By(test) => {
                let name = format!("async fn {test}(");
                assert!(files.iter().any(|file| file.contains(&name)), "{row}: no test {test}");
            }
            Shown::Not(reason) => assert!(!reason.is_empty(), "{row}"),
        }
    }
}
