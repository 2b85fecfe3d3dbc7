use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A port of loopback that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

/// A server of a test's own, killed when dropped, also when the test panics.
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts it and waits until its port takes connections.
    pub fn start(command: &mut Command, address: impl Into<SocketAddr>) -> Server {
        let address = address.into();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut server = Server { child };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait().expect("the child is ours") {
                panic!("{command:?} ended at its start: {status}");
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{command:?} does not answer at {address}");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
