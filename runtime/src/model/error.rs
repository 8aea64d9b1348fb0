//! Why a model has no answer.

use crate::artifact::OpenError;
use crate::data::DataError;
use crate::files::FileError;
use crate::parameters::ParameterError;
use crate::session::SessionError;
use crate::training::TrainError;
use crate::training::config::ConfigError;
use thiserror::Error;

/// Why a model has no answer.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The compiled circuit cannot be loaded.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The parameters cannot be loaded.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The data is not for this circuit, or cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The query cannot be computed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The settings of a training run contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The training run has no result.
    #[error(transparent)]
    Train(#[from] TrainError<SessionError, SessionError>),
    /// There are no numbers.
    #[error("circuit `{circuit}` has parameters without numbers ({names}); load them, or draw random ones")]
    NoParameters {
        /// The circuit.
        circuit: String,
        /// The parameters.
        names: String,
    },
    /// The circuit was compiled without what the question needs.
    #[error(
        "circuit `{circuit}` was compiled without what `{query}` needs; compile it again with {query} among --queries"
    )]
    NotCompiled {
        /// The circuit.
        circuit: String,
        /// What is asked.
        query: &'static str,
    },
    /// There is no such device.
    #[error("there is no device `{name}`; there is `cpu`")]
    Device {
        /// Its name.
        name: String,
    },
}
