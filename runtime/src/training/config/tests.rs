//! Settings: what is filled in, what is refused, and how it is said.

use super::{Batch, Bytes, Config, Every, Settings};
use crate::training::optimizer::Algorithm;

fn config(text: &str) -> Config {
    Settings::parse(text).unwrap().resolve(true).unwrap()
}

fn refused(text: &str) -> String {
    Settings::parse(text).unwrap().resolve(false).unwrap_err().to_string()
}

#[test]
fn what_is_open_is_filled_in() {
    // COVERS: training.config, training.config.defaults
    let found = config("");
    assert_eq!(found.algorithm, Algorithm::Em { pseudocount: 0.0 });
    assert_eq!(
        (found.schedule.to_string().as_str(), found.batch, found.epochs, found.shuffle),
        ("1.0", Batch::Full, 20, false)
    );
    let schedule = |text: &str| config(text).schedule.to_string();
    assert_eq!(schedule("batch = 128"), "1.0->0.0");
    assert_eq!(schedule("batch = 128\noptimizer = 'em-average'"), "0.1->0.0");
    assert_eq!(schedule("batch = 128\noptimizer = 'anemone'"), "0.4");
    assert_eq!(schedule("optimizer = 'anemone'"), "1.0");
    assert_eq!(schedule("optimizer = 'adam'"), "0.01");
    assert_eq!(config("schedule = 'epochs:3,0.5; epochs:2,0.1'").epochs, 5);
    let anemone = |pseudocount, momentum| Algorithm::Anemone { pseudocount, momentum };
    assert_eq!(config("batch = 1\noptimizer = 'anemone'").algorithm, anemone(1e-6, 0.9));
    assert_eq!(config("optimizer = 'anemone'").algorithm, anemone(0.0, 0.0));
    assert_eq!(config("batch = 1").algorithm, Algorithm::Em { pseudocount: 1e-6 });
}

#[test]
fn everything_can_be_said() {
    let found = config(
        "optimizer = 'adam'\nschedule = 0.001\npseudocount = 1\nbeta1 = 0.8\nbeta2 = 0.9\nepsilon = 1e-6\nbatch = 128\naccumulate = 8\n\
         device-batch = 64\nepochs = 5\nseed = 7\nshuffle = false\nevaluate = '10u'\npatience = 3\nmin-delta = 0.001\n\
         checkpoint = 'run'\nevery = '200u'\nmemory-limit = '8GiB'",
    );
    assert_eq!(found.algorithm, Algorithm::Adam { pseudocount: 1.0, beta1: 0.8, beta2: 0.9, epsilon: 1e-6 });
    assert_eq!((found.rows_per_update(5000), found.rows_per_update(100)), (1024, 100));
    let checkpoints = found.checkpoints.clone().unwrap();
    assert_eq!((checkpoints.folder.to_str(), checkpoints.every), (Some("run"), Every::Updates(200)));
    assert_eq!((found.memory_limit, found.device_batch, found.evaluate), (Some(8 << 30), Some(64), Every::Updates(10)));
    let identity: Vec<String> = found.identity().iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        identity.join(" "),
        "optimizer=adam pseudocount=1.0 beta1=0.8 beta2=0.9 epsilon=1e-6 schedule=0.001 batch=128 accumulate=8 epochs=5 seed=7 \
         shuffle=false evaluate=10u patience=3 min-delta=0.001"
    );
}

#[test]
fn the_first_to_say_something_is_heard() {
    let file = Settings::parse("batch = 128\nepochs = 5\npseudocount = 0.1").unwrap();
    let line = Settings { epochs: Some(9), ..Settings::default() };
    let found = line.or(file).resolve(true).unwrap();
    assert_eq!((found.batch, found.epochs), (Batch::Rows(128), 9));
    assert_eq!(found.algorithm, Algorithm::Em { pseudocount: 0.1 });
}

#[test]
fn a_bad_file_is_explained_with_its_line() {
    let message = |text: &str| Settings::parse(text).unwrap_err().to_string();
    let found = message("epochs = 5\nbach = 128");
    assert!(
        found.starts_with("TOML parse error at line 2, column 1") && found.contains("unknown field `bach`"),
        "{found}"
    );
    let found = message("schedule = 'fast'");
    assert!(found.contains("line 1, column 12") && found.contains("`fast` is not a schedule"), "{found}");
    let found = message("batch = 0");
    assert!(found.contains("`0` is not a batch; expected `full` or a number of rows of at least 1"), "{found}");
    let found = message("every = '5 minutes'");
    assert!(
        found.contains("`5 minutes` does not say how often; expected a number of at least 1 and a unit"),
        "{found}"
    );
    let found = message("optimizer = 'sgd'");
    assert!(found.contains("there is no optimizer `sgd`; expected em, em-average, anemone or adam"), "{found}");
    assert!(message("epochs = -1").contains("line 1"), "{}", message("epochs = -1"));
    assert!(message("epochs 5").contains("line 1"));
}

#[test]
fn contradictions_are_refused() {
    for (text, message) in [
        ("pseudocount = -1", "pseudocount = -1.0: expected a finite number of at least 0"),
        ("pseudocount = nan", "pseudocount = NaN: expected a finite number of at least 0"),
        ("momentum = 0.9", "momentum is a setting of the optimizer anemone, but the optimizer is em"),
        (
            "optimizer = 'anemone'\nbeta1 = 0.9",
            "beta1 is a setting of the optimizer adam, but the optimizer is anemone",
        ),
        ("optimizer = 'anemone'\nmomentum = 1", "momentum = 1.0: expected a number of at least 0 and less than 1"),
        ("optimizer = 'adam'\nepsilon = 0", "epsilon = 0.0: expected a finite number greater than 0"),
        ("schedule = 2", "schedule = 2.0: expected step sizes of at most 1"),
        (
            "accumulate = 2",
            "accumulate says how many batches make an update, but the batch is full: give a batch of N rows",
        ),
        ("batch = 4\naccumulate = 0", "accumulate = 0.0: expected at least 1"),
        ("epochs = 0", "epochs = 0.0: expected at least 1"),
        (
            "evaluate = '5m'",
            "evaluate says after how many updates (200u) or epochs (1e), so that a run can be repeated exactly",
        ),
        ("every = '5m'", "every says how often the run is saved, but not where: give a folder with checkpoint"),
        ("min-delta = 0.1", "min-delta says what counts as an improvement for patience: give patience too"),
    ] {
        assert_eq!(refused(text), message);
    }
    assert!(refused("patience = 3").contains("there is none: give it with --valid"));
}

#[test]
fn words_print_as_they_are_read() {
    for text in ["30s", "5m", "1h", "90m", "200u", "1e"] {
        assert_eq!(text.parse::<Every>().unwrap().to_string(), text);
    }
    for text in ["", "5", "0u", "-1e", "5x", "u", "99999999999999999999h", "18446744073709551615h", "5\u{e9}"] {
        assert!(text.parse::<Every>().is_err(), "{text}");
    }
    assert_eq!("512 MiB".parse(), Ok(Bytes(512 << 20)));
    for text in ["", "GiB", "0", "1 GB", "99999999999TiB"] {
        assert!(text.parse::<Bytes>().is_err(), "{text}");
    }
}
