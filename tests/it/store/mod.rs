//! What a store promises, whichever it is. Each promise is a function over a place that stores
//! live in; [`on_every_store`] makes tests of them.

mod anchor;
mod checks;
mod commands;
pub mod credits;
mod daily;
mod fits;
mod found;
mod lists;
mod notes;
mod outside;
mod refunds;
mod reports;
mod search;
mod tokens;
mod verify;
mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;
use refundry::testing::store::Store;
use refundry::testing::store::postgres::PostgresStore;
use refundry::testing::store::sqlite::SqliteStore;

use crate::harness::cluster::{self, Database};

/// Where a store keeps its books; they are gone when this is.
#[async_trait]
pub trait Place: Send + Sync {
    /// Whether several processes may have the books open.
    fn is_shared(&self) -> bool;
    /// Opens the books that are there, or begins new ones.
    async fn open(&self) -> Arc<dyn Store>;
    /// The same books in another place; they must be closed.
    async fn copy(&self) -> Self
    where
        Self: Sized;
    /// Runs SQL on the books behind the store's back, which must be closed, checks off.
    async fn tamper(&self, sql: &str);
    /// Runs SQL on the books behind the store's back, which must be closed, checks on; says why the
    /// database refuses it.
    async fn change(&self, sql: &str) -> Result<(), String>;
    /// A step of the schema, as this database takes it.
    fn migration(&self, name: &str) -> String;
}

pub struct Sqlite(pub tempfile::TempDir);

impl Sqlite {
    pub async fn new() -> Sqlite {
        Sqlite(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Place for Sqlite {
    fn is_shared(&self) -> bool {
        false
    }

    async fn open(&self) -> Arc<dyn Store> {
        SqliteStore::open(self.0.path()).unwrap()
    }

    async fn copy(&self) -> Sqlite {
        let copy = Sqlite::new().await;
        for name in ["refundry.db", "anchor"] {
            std::fs::copy(self.0.path().join(name), copy.0.path().join(name)).unwrap();
        }
        copy
    }

    async fn tamper(&self, sql: &str) {
        let books = rusqlite::Connection::open(self.0.path().join("refundry.db")).unwrap();
        books.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
        books.execute_batch(sql).unwrap();
        assert!(books.changes() > 0, "nothing was altered by {sql}");
    }

    async fn change(&self, sql: &str) -> Result<(), String> {
        let books = rusqlite::Connection::open(self.0.path().join("refundry.db")).unwrap();
        books.execute_batch(sql).map_err(|error| error.to_string())?;
        assert!(books.changes() > 0, "nothing was changed by {sql}");
        Ok(())
    }

    fn migration(&self, name: &str) -> String {
        step(name, "sqlite.sql")
    }
}

pub struct Postgres {
    database: Database,
    dir: tempfile::TempDir,
}

impl Postgres {
    pub async fn new() -> Postgres {
        Postgres { database: Database::new().await, dir: tempfile::tempdir().unwrap() }
    }
}

#[async_trait]
impl Place for Postgres {
    fn is_shared(&self) -> bool {
        true
    }

    async fn open(&self) -> Arc<dyn Store> {
        PostgresStore::open(&self.database.options(), Some(self.dir.path())).await.unwrap()
    }

    async fn copy(&self) -> Postgres {
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(self.dir.path().join("anchor"), dir.path().join("anchor")).unwrap();
        Postgres { database: self.database.copy().await, dir }
    }

    /// In SQL that both databases understand, with what only SQLite has.
    async fn tamper(&self, sql: &str) {
        let sql = format!(
            "CREATE FUNCTION zeroblob(bigint) RETURNS bytea LANGUAGE sql AS \
            $$ SELECT decode(repeat('00', $1::int), 'hex') $$; \
            CREATE FUNCTION ifnull(bigint, bigint) RETURNS bigint LANGUAGE sql AS \
            $$ SELECT coalesce($1, $2) $$; \
            CREATE TEMPORARY TABLE checks AS SELECT conrelid::regclass::text AS whose, conname, \
            pg_get_constraintdef(oid) AS what FROM pg_constraint WHERE contype = 'c' \
            AND connamespace = 'public'::regnamespace; \
            DO $$ DECLARE c record; BEGIN FOR c IN SELECT * FROM checks LOOP \
            EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', c.whose, c.conname); \
            END LOOP; END $$; \
            {sql}; \
            DO $$ DECLARE c record; BEGIN FOR c IN SELECT * FROM checks \
            WHERE to_regclass(whose) IS NOT NULL LOOP \
            BEGIN EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I %s NOT VALID', c.whose, \
            c.conname, c.what); EXCEPTION WHEN undefined_column THEN NULL; END; \
            END LOOP; END $$; \
            DROP FUNCTION zeroblob; DROP FUNCTION ifnull"
        );
        cluster::execute(&self.database.name, &sql).await;
    }

    async fn change(&self, sql: &str) -> Result<(), String> {
        cluster::try_to_execute(&self.database.name, sql).await
    }

    fn migration(&self, name: &str) -> String {
        step(name, "postgres.sql")
    }
}

fn step(name: &str, file: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations");
    std::fs::read_to_string(format!("{folder}/{name}/{file}")).unwrap()
}

/// One line a store; a promise added to the list is kept by all of them.
macro_rules! on_every_store {
    ($($promise:path as $name:ident),* $(,)?) => {
        on_every_store!(@ sqlite $crate::store::Sqlite; $($promise as $name),*);
        on_every_store!(@ postgres $crate::store::Postgres; $($promise as $name),*);
    };
    (@ $store:ident $place:path; $($promise:path as $name:ident),*) => {
        mod $store {
            $(#[tokio::test]
            async fn $name() {
                $promise(&<$place>::new().await).await;
            })*
        }
    };
}
pub(crate) use on_every_store;
