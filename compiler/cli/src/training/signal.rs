//! Ctrl-C: the first asks the run to end in order, the second ends the process.

use crate::failure::{Failure, STOPPED};
use crate::output::say;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Ctrl-C was pressed, from now on.
pub fn on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let pressed = stop.clone();
    let handler = move || {
        if pressed.swap(true, Ordering::Relaxed) {
            #[expect(clippy::disallowed_methods, reason = "the user does not want to wait for the end in order")]
            std::process::exit(i32::from(STOPPED));
        }
        say(format_args!("stopping as soon as the run can be left; Ctrl-C again ends it at once"));
    };
    match ctrlc::set_handler(handler) {
        Ok(()) => Ok(stop),
        Err(error) => Err(Failure::usage(format!("cannot listen to Ctrl-C: {error}"))),
    }
}
