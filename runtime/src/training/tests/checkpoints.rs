//! Files of checkpoints: damaged ones, those of other runs, a folder in use, a full disk.

use super::double::{Case, Listener, checkpoint_error, plan, rows, start, timeless};
use crate::training::checkpoint::Store;
use crate::training::state::State;
use std::path::{Path, PathBuf};

fn case(folder: &Path, more: &str) -> Case {
    Case::new(&format!("batch = 7\nepochs = 3\nevery = '1u'\ncheckpoint = '{}'\n{more}", folder.display()), 30)
}

/// Runs a part, so that there are two checkpoints; gives them, the newest last.
fn stopped(case: &Case) -> Vec<PathBuf> {
    case.run(&mut Listener { stop_after: Some(5), ..Listener::default() }).unwrap();
    let folder = &case.config.checkpoints.as_ref().unwrap().folder;
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "danaus")).collect();
    files.sort();
    assert_eq!(files.len(), 2);
    files
}

#[test]
fn a_damaged_file_falls_back_to_the_one_before() {
    // COVERS: training.checkpoint.damaged
    let folder = tempfile::tempdir().unwrap();
    let expected = timeless(&case(&folder.path().join("whole"), "").finish());
    let cuts: [fn(&mut Vec<u8>); 5] = [
        |bytes| bytes.clear(),
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes[20] ^= 1,
    ];
    for (number, cut) in cuts.iter().enumerate() {
        let case = case(&folder.path().join(number.to_string()), "");
        let files = stopped(&case);
        let mut bytes = std::fs::read(&files[1]).unwrap();
        cut(&mut bytes);
        std::fs::write(&files[1], bytes).unwrap();
        let mut listener = Listener::default();
        let outcome = case.run(&mut listener).unwrap();
        let warning = format!("passed over a checkpoint: `{}`: ", files[1].display());
        assert!(listener.notices[0].starts_with(&warning), "{:?}", listener.notices);
        assert_eq!(timeless(&outcome), expected);
    }
}

#[test]
fn every_bit_of_a_file_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), vec![("a".into(), "b".into())]).unwrap();
    store.save(&State::new(vec![vec![0.5, 0.5]])).unwrap();
    let path = folder.path().join("state-00000001.danaus");
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        assert!(store.load().is_err(), "byte {at}");
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(store.load().is_err(), "{at} bytes");
    }
}

#[test]
fn when_no_file_is_whole_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut case = case(folder.path(), "");
    for file in stopped(&case) {
        std::fs::write(file, "x").unwrap();
    }
    let message = checkpoint_error(case.run(&mut Listener::default())).to_string();
    assert!(message.starts_with("no checkpoint in `") && message.ends_with("give --fresh to start over"), "{message}");
    case.fresh = true;
    let first = case.finish();
    case.fresh = false;
    assert_eq!(timeless(&first), timeless(&case.finish()));
}

#[test]
fn another_run_does_not_take_it_up() {
    // COVERS: training.checkpoint.identity
    let folder = tempfile::tempdir().unwrap();
    stopped(&case(folder.path(), ""));
    let refused = |case: Case| checkpoint_error(case.run(&mut Listener::default())).to_string();
    let message = refused(case(folder.path(), "pseudocount = 0.5\nseed = 3"));
    let said =
        "are of another run: pseudocount was 1e-6 and is now 0.5, seed was 0 and is now 3; give what was given then";
    assert!(message.contains(said), "{message}");
    let mut other = case(folder.path(), "");
    other.train = rows(4, 30, 99);
    let message = refused(other);
    assert!(message.contains("run: training data was ") && message.contains(".. and is now "), "{message}");
    let mut other = case(folder.path(), "");
    other.valid = None;
    assert!(refused(other).contains("validation data was "));
    let mut other = case(folder.path(), "");
    other.start = start(&plan(4, 3), 6);
    assert!(refused(other).contains("start was "));
    let mut other = case(folder.path(), "");
    other.chunk = 2;
    assert!(refused(other).contains("device-batch was 4 and is now 2"));
    let mut other = case(folder.path(), "");
    (other.units, other.start) = (2, start(&plan(4, 2), 5));
    assert!(refused(other).contains("circuit was 4x3 and is now 4x2"));
}

#[test]
fn fresh_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    stopped(&case(folder.path(), ""));
    let mut other = case(folder.path(), "seed = 3");
    other.fresh = true;
    other.finish();
}

#[test]
fn a_folder_is_of_one_run_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let case = case(folder.path(), "");
    let held = Store::open(folder.path(), vec![]).unwrap();
    let message = checkpoint_error(case.run(&mut Listener::default())).to_string();
    assert!(message.starts_with("another run is using the checkpoint folder"), "{message}");
    drop(held);
    case.finish();
}

#[test]
fn what_a_killed_run_left_half_written_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join(format!("{}abc", crate::files::TEMPORARY));
    std::fs::write(&left, "half").unwrap();
    case(folder.path(), "").finish();
    assert!(!left.exists());
}

#[test]
fn a_run_goes_on_when_it_cannot_be_saved() {
    // COVERS: training.checkpoint.full
    // As on a full disk: the folder is gone, and a file stands in its place.
    struct Saboteur(PathBuf, Listener);
    impl crate::training::observer::Observer for Saboteur {
        fn notice(&mut self, message: &str) {
            self.1.notice(message);
        }
        fn stop(&mut self) -> bool {
            if self.1.asked == 4 {
                std::fs::remove_dir_all(&self.0).unwrap();
                std::fs::write(&self.0, "").unwrap();
            }
            self.1.stop()
        }
    }
    let parent = tempfile::tempdir().unwrap();
    let expected = timeless(&case(&parent.path().join("whole"), "").finish());
    let folder = parent.path().join("gone");
    let case = case(&folder, "");
    let mut saboteur = Saboteur(folder.clone(), Listener::default());
    let outcome = case.run(&mut saboteur).unwrap();
    assert_eq!(timeless(&outcome), expected);
    let notices = &saboteur.1.notices;
    let told =
        notices.iter().filter(|notice| notice.starts_with("the run could not be saved, and goes on: cannot write `"));
    assert_eq!(told.count(), 1, "{notices:?}");
}
