//! Stops what a node does, as SIGSTOP does, and lets it go on.

use tokio::sync::watch;

pub struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(true))
    }
}

impl Gate {
    pub fn close(&self) {
        self.0.send_replace(false);
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub fn is_closed(&self) -> bool {
        !*self.0.borrow()
    }

    /// Resolves once it is open.
    pub async fn pass(&self) {
        let mut is_open = self.0.subscribe();
        is_open.wait_for(|is_open| *is_open).await.expect("the gate outlives who waits at it");
    }
}
