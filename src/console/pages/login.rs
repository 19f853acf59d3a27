//! Signing in and out, and what belongs to nobody's page.

use askama::Template;
use axum::response::Response;
use refundry_domain::merchant::Scope;

use crate::access::gate::Denied;
use crate::console::form::{Draft, Wrongs};
use crate::console::session::{COOKIE, Session};
use crate::console::shell::Shell;
use crate::console::visit::{
    Stranger, Trouble, Visit, html, is_secure, keep, keep_theme, no_randomness, redirect,
};
use crate::dialects::Peer;

#[derive(Template)]
#[template(path = "login.html")]
struct Page<'a> {
    shell: &'a Shell,
    draft: Draft,
    next: &'a str,
    why: &'static str,
}

pub async fn show(stranger: Stranger) -> Result<Response, Trouble> {
    let why = match stranger.query.text("why") {
        Some("expired") => "You were signed out because nothing happened for a while.",
        Some("revoked") => "The key that you had signed in with is no longer valid.",
        Some("out") => "You are signed out.",
        Some(_) | None => "",
    };
    page(&stranger, 200, Draft::default(), stranger.query.written("next"), why)
}

fn page(
    stranger: &Stranger,
    status: u16,
    draft: Draft,
    next: &str,
    why: &'static str,
) -> Result<Response, Trouble> {
    let address = stranger.parts.uri.to_string();
    let shell = Shell::bare("Sign in", stranger.theme, address);
    html(status, &Page { shell: &shell, draft, next: local(next), why })
}

/// Only places of the console: nobody is led elsewhere by a link to the login.
fn local(next: &str) -> &str {
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let inside =
        next == "/console" || next.starts_with("/console/") || next.starts_with("/console?");
    if plain && inside { next } else { "/console" }
}

pub async fn enter(stranger: Stranger) -> Result<Response, Trouble> {
    let now = stranger.console.desk.now();
    let next = stranger.form.written("next").to_owned();
    let refused = |status, why: &str| {
        page(
            &stranger,
            status,
            Draft { wrongs: Wrongs::one("key", why), ..Draft::default() },
            &next,
            "",
        )
    };
    let from = stranger.parts.extensions.get::<Peer>().map(|peer| peer.0);
    let throttle = &stranger.console.throttle;
    let Some(secret) = stranger.form.text("key") else {
        return refused(422, "Paste your API key here.");
    };
    let admitted = match stranger.console.desk.admit_secret(secret).await {
        Ok((admitted, _)) => admitted,
        // Only wrong keys wait: behind a proxy, strangers share an address with everybody.
        Err(Denied::Unknown) => {
            if from.is_some_and(|from| !throttle.admits(from, now)) {
                let why = "Too many wrong keys came from your address. Wait a minute.";
                return refused(429, why);
            }
            if let Some(from) = from {
                throttle.wrong(from, now);
            }
            return refused(422, "There is no such key, or it was revoked.");
        }
        Err(Denied::Busy) => return refused(429, "Too many keys are being tried. Wait a moment."),
        Err(Denied::Store(error)) => return Err(error.into()),
    };
    let Some(key) = admitted.caller.key.filter(|_| admitted.caller.may(Scope::Read)) else {
        return refused(422, "This key may not look at anything: it lacks the scope read.");
    };
    let mark = match stranger.console.desk.mark_of(&admitted.caller).await {
        Ok(mark) => mark,
        Err(Denied::Store(error)) => return Err(error.into()),
        Err(Denied::Unknown | Denied::Busy) => {
            return refused(422, "There is no such key, or it was revoked.");
        }
    };
    let session =
        Session::begin(admitted.caller.merchant, key, mark, now).map_err(|_| no_randomness())?;
    let sealed = session.seal(stranger.console.desk.sealer()).map_err(|_| no_randomness())?;
    let mut response = redirect(local(&next));
    keep(
        &mut response,
        COOKIE,
        &sealed,
        None,
        is_secure(&stranger.parts.headers, stranger.console.rules),
    );
    Ok(response)
}

/// The cookie goes; see docs/decisions/050 for what that does and does not end.
pub async fn leave(_visit: Visit) -> Result<Response, Trouble> {
    let mut response = redirect("/console/login?why=out");
    keep(&mut response, COOKIE, "", Some(0), false);
    Ok(response)
}

pub async fn theme(stranger: Stranger) -> Result<Response, Trouble> {
    let theme = match stranger.form.text("theme") {
        Some("light") => "light",
        Some("dark") => "dark",
        Some(_) | None => "auto",
    };
    let mut response = redirect(local(stranger.form.written("back")));
    keep_theme(&mut response, theme, is_secure(&stranger.parts.headers, stranger.console.rules));
    Ok(response)
}

pub async fn nothing(_visit: Visit) -> Result<Response, Trouble> {
    Err(Trouble::new(404, "There is no such page", "Look in the navigation for what there is."))
}
