//! Owns how what stands for a service is served: on a port of this machine, until it is dropped.

use std::sync::Arc;

use evercount_proxy::server::{Handler, listen, serve};
use tokio::sync::oneshot;

/// A served port.
pub struct Served<H> {
    pub url: String,
    pub port: Arc<H>,
    _stop: oneshot::Sender<()>,
}

impl<H: Handler> Served<H> {
    pub async fn start(handler: H) -> Self {
        let port = Arc::new(handler);
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(serve(listener, Arc::clone(&port), async {
            let _: Result<(), _> = stopped.await;
        }));
        Self { url, port, _stop: stop }
    }
}
