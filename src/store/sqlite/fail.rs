//! What can go wrong in the database.

use rusqlite::ErrorCode;

use crate::store::StoreError;
use crate::store::encode::Unreadable;

/// Why something in the database failed, before it is known what that means for the store.
#[derive(Debug, thiserror::Error)]
pub enum Fail {
    /// It is not known what is on disk.
    #[error("{0}")]
    Lost(String),
    #[error("{0}")]
    Full(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Damaged(String),
}

impl From<rusqlite::Error> for Fail {
    fn from(error: rusqlite::Error) -> Fail {
        let why = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Fail::Full(why),
            Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                Fail::Lost(why)
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OutOfMemory) => {
                Fail::Unavailable(why)
            }
            Some(ErrorCode::OperationInterrupted) => {
                Fail::Unavailable("the question took too long; ask for less".to_owned())
            }
            _ => Fail::Damaged(why),
        }
    }
}

impl Fail {
    /// Of a commit that came back with an error, only that of a full disk leaves no doubt:
    /// nothing was synced then.
    pub fn of_commit(error: rusqlite::Error) -> Fail {
        match Fail::from(error) {
            Fail::Full(why) => Fail::Full(why),
            Fail::Lost(why) | Fail::Unavailable(why) | Fail::Damaged(why) => Fail::Lost(why),
        }
    }
}

impl From<Unreadable> for Fail {
    fn from(error: Unreadable) -> Fail {
        Fail::Damaged(error.to_string())
    }
}

impl From<Fail> for StoreError {
    fn from(fail: Fail) -> StoreError {
        match fail {
            Fail::Lost(why) | Fail::Full(why) | Fail::Unavailable(why) => {
                StoreError::Unavailable(why)
            }
            Fail::Damaged(why) => StoreError::Damaged(why),
        }
    }
}
