//! What a user sees when Danaus itself is wrong: an apology, and the facts a report needs.

use crate::output::say_text;
use std::panic::PanicHookInfo;

/// The exit code after an internal error.
pub const EXIT_CODE: u8 = 101;

/// Replaces the message of a panic.
pub fn install_hook() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        say_text(&report(info));
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            default(info);
        }
    }));
}

fn report(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("(no message)").replace('\n', "\n             ");
    let place = info.location().map_or("(unknown)".to_string(), ToString::to_string);
    let command: Vec<String> = std::env::args().map(|word| quoted(&word)).collect();
    format!(
        "\ndanaus: internal error. This is a mistake in Danaus, not in your program or data, and we are sorry.\n\
         Please report these lines, with the files that the command reads if you can share them:\n\n    \
         version  danaus {} ({} {})\n    \
         command  {}\n    \
         message  {message}\n    \
         place    {place}\n\n\
         To add a backtrace, repeat the command with RUST_BACKTRACE=1.\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        command.join(" "),
    )
}

/// A word as a shell would read it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
