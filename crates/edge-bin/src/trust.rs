//! `edge-bin trust`: how to make this machine's programs believe the local CA. It prints and changes nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use edge_core::proxy::clock::Clock;
use edge_core::proxy::local_ca::LocalCa;

use crate::runtime;

/// Print how to trust the local CA that HTTPS certificates come from (it is made if there is none yet).
#[derive(clap::Args, Debug)]
pub(crate) struct Trust {
    /// Where the local CA is kept [default: edge in the user's data folder].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Prints.
pub(crate) fn run(args: &Trust) -> anyhow::Result<ExitCode> {
    let directory = match &args.data_dir {
        Some(directory) => directory.clone(),
        None => runtime::data_directory()?,
    };
    let ca = LocalCa::open(&directory, Clock::system().now())?;
    let path = ca.certificate_path().display();
    println!(
        "The local CA: {path}\n\
         Its key stays beside it, readable by you only. Whoever has the key can pretend to be any site to programs that\n\
         trust the CA, so trust it on your own machine only.\n\n\
         curl, one call       curl --cacert {path} https://localhost:8443/\n\
         curl, Python, Go     SSL_CERT_FILE={path}; requests: REQUESTS_CA_BUNDLE; Node: NODE_EXTRA_CA_CERTS\n\
         Debian, Ubuntu       sudo cp {path} /usr/local/share/ca-certificates/edge.crt && sudo update-ca-certificates\n\
         Fedora               sudo trust anchor {path}\n\
         macOS                sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {path}\n\
         Windows              certutil -addstore -user Root {path}\n\
         Firefox              Settings → Privacy & Security → View Certificates → Authorities → Import\n\
         Chromium on Linux    certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n edge -i {path}"
    );
    Ok(ExitCode::SUCCESS)
}
