//! A run that is ended anywhere and taken up again ends with the same bits.

use super::double::{Case, Listener, timeless};
use crate::training::state::Ending;
use std::path::Path;

fn case(settings: &str, folder: &Path, every: &str) -> Case {
    let folder = folder.display();
    Case::new(&format!("{settings}\nepochs = 3\ncheckpoint = '{folder}'\nevery = '{every}'"), 30)
}

const SETTINGS: [&str; 6] = [
    "batch = 'full'",
    "batch = 7",
    "batch = 5\naccumulate = 2\npseudocount = 0.1\nevaluate = '2u'",
    "optimizer = 'em-average'\nbatch = 9",
    "optimizer = 'anemone'\nbatch = 8\nschedule = 'cosine:0.5->0.1'",
    "optimizer = 'adam'\nbatch = 8\npatience = 2",
];

#[test]
fn stopped_anywhere_it_ends_the_same() {
    // COVERS: training.checkpoint, training.checkpoint.stop
    for settings in SETTINGS {
        let folder = tempfile::tempdir().unwrap();
        let whole = case(settings, &folder.path().join("whole"), "1h");
        let mut listener = Listener::default();
        let expected = whole.run(&mut listener).unwrap();
        assert!(listener.asked > 3, "{settings}: there are places to stop at");
        for stop_after in 0..listener.asked {
            let case = case(settings, &folder.path().join(stop_after.to_string()), "1h");
            let first = case.run(&mut Listener { stop_after: Some(stop_after), ..Listener::default() }).unwrap();
            assert_eq!((first.ending, first.saved), (None, true));
            let second = case.finish();
            assert_eq!(timeless(&second), timeless(&expected), "{settings}, stopped after {stop_after}");
        }
    }
}

#[test]
fn killed_anywhere_it_ends_the_same() {
    // COVERS: training.checkpoint.every
    for settings in SETTINGS {
        for every in ["1u", "3u", "1e"] {
            let folder = tempfile::tempdir().unwrap();
            let expected = case(settings, &folder.path().join("whole"), every).finish();
            for killed_after in [0, 1, 2, 3, 5, 8] {
                let case = case(settings, &folder.path().join(killed_after.to_string()), every);
                // A panic drops the run without saving it.
                let kill = || case.run(&mut Killer { left: killed_after });
                let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(kill));
                if killed.is_ok() {
                    continue;
                }
                let second = case.finish();
                assert_eq!(timeless(&second), timeless(&expected), "{settings}, {every}, killed after {killed_after}");
            }
        }
    }
}

#[test]
fn stopped_again_and_again_it_ends_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "batch = 4";
    let expected = case(settings, &folder.path().join("whole"), "1h").finish();
    let case = case(settings, &folder.path().join("parts"), "1h");
    let mut parts = 0;
    let last = loop {
        parts += 1;
        let found = case.run(&mut Listener { stop_after: Some(2), ..Listener::default() }).unwrap();
        if found.ending.is_some() {
            break found;
        }
    };
    assert!(parts > 5);
    assert_eq!(timeless(&last), timeless(&expected));
}

#[test]
fn a_run_that_has_ended_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let case = case("batch = 4", folder.path(), "1h");
    let first = case.finish();
    let mut listener = Listener::default();
    let again = case.run(&mut listener).unwrap();
    assert_eq!((again.ending, listener.asked), (Some(Ending::Done), 0));
    assert_eq!(timeless(&again), timeless(&first));
}

#[test]
fn checkpoints_do_not_change_the_result() {
    for settings in SETTINGS {
        let folder = tempfile::tempdir().unwrap();
        let with = case(settings, folder.path(), "1u").finish();
        let mut without = case(settings, folder.path(), "1u");
        without.config.checkpoints = None;
        assert_eq!(timeless(&with), timeless(&without.finish()), "{settings}");
    }
}

struct Killer {
    left: usize,
}

impl crate::training::observer::Observer for Killer {
    fn stop(&mut self) -> bool {
        assert!(self.left > 0, "killed");
        self.left -= 1;
        false
    }
}
