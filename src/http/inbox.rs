//! Where providers report: one path a gateway. Who sends is told by the signature over the raw
//! body, which only the gateway can check; whose it is, by whose secret fits.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use crate::clock::Clock;
use crate::connections::Connections;
use crate::dialects::Served;
use crate::dialects::shared::body;
use crate::dialects::shared::problem::{Code, Problem};
use crate::gateways::{Heed, Raw, Unheard};

const PATH: &str = "/v1/gateways/{id}/notifications";
/// How long a provider waits for its answer; some give up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(8);

#[derive(Clone)]
struct Inbox {
    connections: Arc<Connections>,
    heed: Arc<dyn Heed>,
    clock: Arc<dyn Clock>,
}

pub fn router(connections: Arc<Connections>, heed: Arc<dyn Heed>, clock: Arc<dyn Clock>) -> Router {
    let inbox = Inbox { connections, heed, clock };
    Router::new().route(PATH, post(take)).with_state(inbox)
}

async fn take(State(inbox): State<Inbox>, Path(name): Path<String>, request: Request) -> Response {
    let taken = inbox.take(name, request).await;
    let mut response = match taken {
        // Adyen wants these words; nobody else reads them.
        Ok(()) => (StatusCode::OK, "[accepted]").into_response(),
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(Served(PATH));
    response
}

impl Inbox {
    async fn take(&self, name: String, request: Request) -> Result<(), Problem> {
        let (parts, body) = request.into_parts();
        let raw =
            Raw { headers: parts.headers, body: body::read(body).await?, at: self.clock.now() };
        // Whoever hangs up stops neither a check that asks the provider nor what it leads to.
        let inbox = self.clone();
        let task = tokio::spawn(async move { inbox.take_up(&name, raw).await });
        match tokio::time::timeout(PATIENCE, task).await {
            Ok(Ok(taken)) => taken,
            Ok(Err(_broken)) => {
                let detail = "The notification could not be read.";
                Err(Problem::new(Code::Internal, detail))
            }
            Err(_late) => Err(not_now("its provider has not answered yet")),
        }
    }

    /// A provider that is told 200 forgets its notification: it is told so when everything that
    /// came of it is committed, and else to send it again.
    async fn take_up(&self, name: &str, raw: Raw) -> Result<(), Problem> {
        let heard = self.connections.hear(name, &raw).await;
        let heard = heard.map_err(|error| not_now(&error.to_string()))?;
        drop(raw);
        let known = self.heed.heed(&heard.notices).await.map_err(|why| not_now(&why))?;
        heard.end(known).map_err(|refusal| match refusal {
            Unheard::Forged(why) => {
                tracing::warn!(why, "a notification is refused");
                Problem::new(Code::NotificationRefused, format!("Refused: {why}."))
            }
            Unheard::NotNow(why) => not_now(&why),
        })
    }
}

/// Why is for the operator; the one who asks may be anybody.
fn not_now(why: &str) -> Problem {
    tracing::warn!(why, "a notification cannot be taken up now");
    let detail = "The notification cannot be taken up now; send it again.";
    Problem::new(Code::Unavailable, detail).retry_after(60)
}
