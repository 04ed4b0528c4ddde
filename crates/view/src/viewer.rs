//! The viewer as a program: which one is installed, and how one is started.
//!
//! Rerun's crate could start one, too, but would let it write to our stdout, on which `--json` promises one
//! document; and it serves the web viewer only with features that double the size of this binary.

use crate::ViewError;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The version of rerun's viewer that opens what this build records.
pub const VIEWER_VERSION: &str = "0.36.3";

/// The port on which viewers take records, and that on which the web viewer is served: rerun's own.
const RECORDS: u16 = 9876;
const WEB: u16 = 9090;

/// How long a viewer may take until it listens.
const START: Duration = Duration::from_secs(20);

/// How a viewer is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// In a window of its own.
    Window,
    /// In a browser.
    Browser,
}

/// The version of the `rerun` in PATH; `None` if there is none.
pub fn installed_viewer() -> Option<String> {
    let output = Command::new("rerun").arg("--version").stdin(Stdio::null()).output().ok()?;
    // `rerun-cli 0.36.3 (...) [rustc ...] ...`
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.split_whitespace().nth(1).unwrap_or("of unknown version").to_owned())
}

/// Where records go to reach the viewer of this address: `HOST:PORT`, or a URL as rerun has them.
pub(crate) fn records_url(address: &str) -> String {
    match address.contains("://") {
        true => address.to_owned(),
        false => format!("rerun+http://{address}/proxy"),
    }
}

/// The viewer on this machine: the one that listens on rerun's port already, else a new one, which outlives this
/// process. Gives the address for records and, for a browser, the page to open.
pub(crate) fn start(looked: Looked) -> Result<(String, Option<String>), ViewError> {
    let records = format!("127.0.0.1:{RECORDS}");
    let page = (looked == Looked::Browser).then(|| {
        format!("http://127.0.0.1:{WEB}/?url=rerun%2Bhttp%3A%2F%2F127.0.0.1%3A{RECORDS}%2Fproxy")
    });
    let failed = |detail: String| Err(ViewError::Viewer { detail });
    let taken = listens(RECORDS);
    if taken && (page.is_none() || listens(WEB)) {
        return Ok((records, page));
    }
    usable(installed_viewer())?;
    if taken {
        return failed(format!(
            "something listens on port {RECORDS} already but serves no page on port {WEB}; close that viewer, or \
             send to it with connect:{records}"
        ));
    }
    let seen = |key: &str| std::env::var_os(key).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux")
        && looked == Looked::Window
        && !seen("DISPLAY")
        && !seen("WAYLAND_DISPLAY")
    {
        let cure = "serve it to a browser (`--view=serve`, `view --serve`)";
        return failed(format!("there is no display for a window; {cure}"));
    }
    wait_for(launch(looked)?).map(|()| (records, page))
}

/// Refuses what would not open our records.
fn usable(installed: Option<String>) -> Result<(), ViewError> {
    let what = match installed {
        Some(version) if version == VIEWER_VERSION => return Ok(()),
        Some(version) => format!("the `rerun` in PATH is {version}"),
        None => "there is no `rerun` in PATH".to_owned(),
    };
    let detail = format!("{what}; install ours with `pip install rerun-sdk=={VIEWER_VERSION}`");
    Err(ViewError::Viewer { detail })
}

fn listens(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

fn launch(looked: Looked) -> Result<Child, ViewError> {
    let mut command = Command::new("rerun");
    // The default listens on every address of the machine.
    command.args(["--bind", "127.0.0.1", &format!("--port={RECORDS}")]);
    match looked {
        Looked::Window => command.args(["--expect-data-soon", "--detach-process"]),
        Looked::Browser => command.args(["--serve-web", &format!("--web-viewer-port={WEB}")]),
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C ends the work and leaves the viewer.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map_err(|error| ViewError::Viewer { detail: format!("`rerun`: {error}") })
}

/// Waits until the viewer listens.
fn wait_for(mut viewer: Child) -> Result<(), ViewError> {
    let started = Instant::now();
    while !listens(RECORDS) {
        // What it starts may go on without it, unless it failed.
        let ended = viewer.try_wait().ok().flatten().filter(|status| !status.success());
        if ended.is_some() || started.elapsed() > START {
            let how = ended
                .map_or_else(|| "does not listen".into(), |status| format!("ended with {status}"));
            let detail =
                format!("the viewer that was started {how}; run `rerun` by itself to see why");
            return Err(ViewError::Viewer { detail });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rerun::external::re_log_encoding::CrateVersion;

    #[test]
    fn the_version_is_that_of_the_crate() {
        let CrateVersion { major, minor, patch, .. } = CrateVersion::LOCAL;
        assert_eq!(VIEWER_VERSION, format!("{major}.{minor}.{patch}"));
    }

    #[test]
    fn a_viewer_that_is_not_ours_is_refused_with_the_cure() {
        let words = |installed: Option<&str>| {
            usable(installed.map(str::to_owned)).map_err(|error| error.to_string())
        };
        assert_eq!(words(Some(VIEWER_VERSION)), Ok(()));
        let cure = format!("pip install rerun-sdk=={VIEWER_VERSION}");
        for (installed, fault) in [(None, "no `rerun` in PATH"), (Some("0.1.2"), "is 0.1.2")] {
            let told = words(installed).unwrap_err();
            assert!(told.contains(fault) && told.contains(&cure), "{told}");
        }
    }

    #[test]
    fn addresses_become_urls() {
        assert_eq!(records_url("10.0.0.7:9876"), "rerun+http://10.0.0.7:9876/proxy");
        assert_eq!(records_url("rerun+http://x:1/proxy"), "rerun+http://x:1/proxy");
    }
}
