//! Changes as a stream of server-sent events.

use std::convert::Infallible;

use axum::{
    extract::State,
    http::StatusCode,
    response::sse::{Event, KeepAlive, Sse},
};
use tokio_stream::{Stream, StreamExt, wrappers::WatchStream};

use crate::{Shared, Snapshot, views::Problem};

/// The state now, and after each change, at most once a second.
#[utoipa::path(
    get,
    path = "/api/events",
    tag = "state",
    responses(
        (status = 200, description = "events named `snapshot`, each with a snapshot as JSON",
         body = Snapshot, content_type = "text/event-stream"),
        (status = 503, description = "too many streams are open", body = Problem),
    )
)]
pub(crate) async fn events(
    State(shared): State<Shared>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let permit = shared.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many streams are open; close one")
    })?;
    let stream = WatchStream::new(shared.newest.clone()).map(move |snapshot| {
        // Given back when the stream is dropped.
        let _permit = &permit;
        let event = Event::default().event("snapshot");
        Ok(event.json_data(&*snapshot).unwrap_or_default())
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}
