//! `tollbook serve`.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

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
            let app = app::start(config, clocks).await?;
            announce(&app)?;
            wait_for_signal().await?;
            tracing::info!("stopping");
            app.stop().await;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Prints the one line that scripts wait for, and where to begin while there is no operator.
fn announce(app: &RunningApp) -> Result<(), Failure> {
    if let Some(token) = &app.setup_token {
        eprintln!("No operator yet. Set up: {}/setup?token={token}", app.state.settings.public_url);
        eprintln!("(or: tollbook admin create-operator --email … --password-stdin)");
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", app.url())?;
    out.flush()?;
    Ok(())
}

async fn wait_for_signal() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
