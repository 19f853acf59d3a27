//! What stands around every page.

use refundry_domain::merchant::Scope;

use crate::access::Caller;

use super::assets;

/// One place of the navigation.
pub struct Place {
    pub name: &'static str,
    pub path: &'static str,
    /// After `g`, it leads there.
    pub key: &'static str,
    pub here: bool,
}

const PLACES: &[(&str, &str, &str)] = &[
    ("Overview", "/console", "h"),
    ("To confirm", "/console/confirm", "c"),
    ("Refunds", "/console/refunds", "r"),
    ("Orders", "/console/orders", "o"),
    ("Returns", "/console/returns", "e"),
    ("Credit accounts", "/console/credits", "d"),
    ("Outside payouts", "/console/owed", "t"),
    ("Reports", "/console/reports", "p"),
];
const ADMIN_PLACES: &[(&str, &str, &str)] = &[
    ("Bank transfers", "/console/transfers", "b"),
    ("Webhooks", "/console/webhooks", "w"),
    ("Gateways", "/console/gateways", "y"),
    ("Keys", "/console/keys", "k"),
    ("Settings", "/console/settings", "s"),
    ("Audit", "/console/audit", "a"),
];

pub struct Shell {
    pub title: String,
    pub merchant: String,
    pub places: Vec<Place>,
    pub admin_places: Vec<Place>,
    /// What every form brings back, and a fresh name for its sending.
    pub token: String,
    pub once: String,
    /// `auto`, `light` or `dark`.
    pub theme: &'static str,
    /// This page's own address, to come back to.
    pub path: String,
    pub writes: bool,
    pub approves: bool,
    pub admins: bool,
    pub signed_in: bool,
    /// What the page shows ends with the event of this number; `None` keeps it as it is.
    pub seen: Option<i64>,
    /// What was just done.
    pub done: Option<&'static str>,
    pub search: String,
    pub styles: &'static str,
    pub script: &'static str,
    pub icon: &'static str,
    /// Who is signed in, as it stands in events.
    pub by: String,
    pub zone: String,
}

impl Shell {
    /// Around the pages of nobody in particular.
    pub fn bare(title: &str, theme: &'static str, path: String) -> Shell {
        Shell {
            title: title.to_owned(),
            merchant: String::new(),
            places: Vec::new(),
            admin_places: Vec::new(),
            token: String::new(),
            once: String::new(),
            theme,
            path,
            writes: false,
            approves: false,
            admins: false,
            signed_in: false,
            seen: None,
            done: None,
            search: String::new(),
            styles: assets::styles(),
            script: assets::script(),
            icon: assets::icon(),
            by: String::new(),
            zone: String::new(),
        }
    }

    pub fn for_caller(mut self, caller: &Caller) -> Shell {
        self.writes = caller.may(Scope::Write);
        self.approves = caller.may(Scope::Approve);
        self.admins = caller.may(Scope::Admin);
        self.signed_in = true;
        self.by = caller.by.to_string();
        let place = |path: &str, row: &(&'static str, &'static str, &'static str)| Place {
            name: row.0,
            path: row.1,
            key: row.2,
            here: is_here(path, row.1),
        };
        self.places = PLACES.iter().map(|row| place(&self.path, row)).collect();
        if self.admins {
            self.admin_places = ADMIN_PLACES.iter().map(|row| place(&self.path, row)).collect();
        }
        self
    }
}

fn is_here(path: &str, place: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    if place == "/console" { path == place } else { path.starts_with(place) }
}

/// What was done, by the word that stands for it in an address: nobody can put words of their own
/// on a page.
pub fn done(word: Option<&str>) -> Option<&'static str> {
    Some(match word? {
        "requested" => "The refund was requested.",
        "proposed" => "The refund was proposed and waits for confirmation.",
        "confirmed" => "The refund was confirmed.",
        "canceled" => "The refund was canceled.",
        "changed" => "The change was saved.",
        "retried" => "The refund is tried again.",
        "opened" => "The return was opened.",
        "closed" => "The return was closed.",
        "spent" => "The amount was spent.",
        "undone" => "The spend was undone.",
        "verifying" => "The verification has begun.",
        "reported" => "The report was taken.",
        "redelivered" => "The event is sent again.",
        "pinged" => "A ping is on its way.",
        "created" => "It was made.",
        "deleted" => "It was deleted.",
        "revoked" => "The key was revoked.",
        "written" => "The file was made. It is the first one under Files.",
        _ => return None,
    })
}
