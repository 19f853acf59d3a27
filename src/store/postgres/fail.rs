//! What went wrong in the database, and what that means for whoever asked.

use tokio_postgres::error::SqlState;

use crate::store::StoreError;
use crate::store::encode::Unreadable;

/// Why something in the database failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fail {
    /// Another transaction was in the way: the same again has a chance.
    #[error("{0}")]
    Again(String),
    /// A key or a reference was taken by somebody else meanwhile: look again.
    #[error("{0}")]
    Taken(String),
    /// The transaction has drawn fewer numbers than it used.
    #[error("more numbers were used than drawn")]
    Numbers,
    /// The connection broke during the commit.
    #[error("{0}")]
    Doubtful(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Damaged(String),
}

impl From<tokio_postgres::Error> for Fail {
    fn from(error: tokio_postgres::Error) -> Fail {
        let Some(told) = error.as_db_error() else {
            return Fail::Unavailable(format!("the connection to the database broke: {error}"));
        };
        let why = format!("{} ({})", told.message(), told.code().code());
        let code = told.code();
        if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED
        {
            return Fail::Again(why);
        }
        if *code == SqlState::UNIQUE_VIOLATION {
            return Fail::Taken(why);
        }
        // Of a division by zero: see `write`.
        if *code == SqlState::DIVISION_BY_ZERO {
            return Fail::Damaged("a row is no longer there to be changed".to_owned());
        }
        // 22 data exception, 23 integrity constraint violation, XX corrupted data or index.
        match code.code().get(..2) {
            Some("22" | "23" | "XX") => Fail::Damaged(why),
            _ => Fail::Unavailable(why),
        }
    }
}

impl From<Unreadable> for Fail {
    fn from(error: Unreadable) -> Fail {
        Fail::Damaged(error.to_string())
    }
}

impl From<deadpool_postgres::PoolError> for Fail {
    fn from(error: deadpool_postgres::PoolError) -> Fail {
        Fail::Unavailable(format!("no connection to the database: {}", causes(&error)))
    }
}

/// The message of an error with those of its causes.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}

impl From<Fail> for StoreError {
    fn from(fail: Fail) -> StoreError {
        match fail {
            Fail::Again(why) | Fail::Taken(why) | Fail::Unavailable(why) => {
                StoreError::Unavailable(why)
            }
            Fail::Numbers => StoreError::Unavailable(fail.to_string()),
            Fail::Doubtful(why) => StoreError::Doubtful(why),
            Fail::Damaged(why) => StoreError::Damaged(why),
        }
    }
}

/// A row names another that is not there.
pub fn missing(kind: &str, number: i64) -> Fail {
    Fail::Damaged(format!("{kind} {number} is named by another row and is not there"))
}
