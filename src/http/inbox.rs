//! Where providers report: one path a gateway. Who sends is told by the signature over the raw
//! body, which only the gateway can check; whose it is, by whose secret fits.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::{Semaphore, mpsc};

use crate::clock::Clock;
use crate::connections::Connections;
use crate::dialects::Served;
use crate::dialects::shared::body;
use crate::dialects::shared::problem::{Code, Problem};
use crate::gateways::{Notice, Raw, Unheard};

const PATH: &str = "/v1/gateways/{id}/notifications";
/// How many notifications are read at once.
const AT_ONCE: usize = 64;

#[derive(Clone)]
struct Inbox {
    connections: Arc<Connections>,
    notices: mpsc::UnboundedSender<Notice>,
    clock: Arc<dyn Clock>,
    places: Arc<Semaphore>,
}

pub fn router(
    connections: Arc<Connections>,
    notices: mpsc::UnboundedSender<Notice>,
    clock: Arc<dyn Clock>,
) -> Router {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let inbox = Inbox { connections, notices, clock, places };
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
        let Ok(_place) = self.places.try_acquire() else {
            let detail = "Too many notifications come in at once; send it again.";
            return Err(Problem::new(Code::Unavailable, detail).retry_after(5));
        };
        let (parts, body) = request.into_parts();
        let raw =
            Raw { headers: parts.headers, body: body::read(body).await?, at: self.clock.now() };
        // Whoever hangs up does not stop a check that asks the provider.
        let connections = self.connections.clone();
        let heard = tokio::spawn(async move { connections.hear(&name, &raw).await }).await;
        let notices = match heard {
            Ok(Ok(notices)) => notices,
            Ok(Err(Unheard::Forged(why))) => {
                tracing::warn!(why, "a notification is refused");
                return Err(Problem::new(Code::NotificationRefused, format!("Refused: {why}.")));
            }
            Ok(Err(Unheard::NotNow(why))) => {
                return Err(Problem::new(Code::Unavailable, format!("{why}.")).retry_after(60));
            }
            Err(_broken) => {
                let detail = "The notification could not be read.";
                return Err(Problem::new(Code::Internal, detail));
            }
        };
        for notice in notices {
            // Without workers nobody listens; they ask by themselves when they are back.
            let _ = self.notices.send(notice);
        }
        Ok(())
    }
}
