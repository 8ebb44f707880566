//! `tollbook serve`.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Common, Failure, Outcome, init_log};
use crate::app::{self, Clocks, RunningApp};
use crate::config::Argument;

/// Run the server.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address and port to listen on, instead of the configured one; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
}

impl Serve {
    pub(super) fn run(self, common: &Common) -> Outcome {
        let listen = self.listen.map(|value| Argument { name: "--listen", key: "server.listen", value });
        let config = common.config(listen.as_slice())?;
        init_log(&config);
        let clocks = Clocks::of(config.server.mode);
        actix_web::rt::System::new().block_on(async move {
            // before anybody is told that the server is there, and may want to end it
            let signals = Signals::new()?;
            let app = app::start(config, clocks).await?;
            announce(&app)?;
            signals.wait().await;
            tracing::info!("stopping");
            app.stop().await;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Prints the one line that scripts wait for, and where to begin while there is no operator.
pub(super) fn announce(app: &RunningApp) -> Result<(), Failure> {
    if let Some(token) = &app.setup_token {
        eprintln!("No operator yet. Set up: {}/setup?token={token}", app.state.settings.public_url);
        eprintln!("(or: tollbook admin create-operator --email … --password-stdin)");
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", app.url())?;
    out.flush()?;
    Ok(())
}

/// What ends a server in order.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on these signals are heard, whenever [`Signals::wait`] is called.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Until the first of them.
    pub(super) async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
