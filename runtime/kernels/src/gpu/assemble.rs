//! From PTX to machine code: runs `ptxas`, which comes with the CUDA toolkit and as a package of its own.

use crate::gpu::compile::CUBES;
use danaus_artifact::gpu::{Format, GpuCode, GpuKernel, Resources};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;

/// What to do when there is no assembler.
pub const HELP: &str = "install it with `pip install nvidia-cuda-nvcc-cu12==12.9.86` and set CUDA_PATH to the package's folder, \
    `.../site-packages/nvidia/cuda_nvcc`, or to a CUDA toolkit; or compile for `cuda:ptx`, which needs no assembler";

/// Why there is no machine code.
#[derive(Debug, Error)]
pub enum AssemblerError {
    /// There is none.
    #[error("`ptxas`, which makes machine code for GPUs, was not found in {looked}: {HELP}")]
    Missing {
        /// Where it was looked for.
        looked: String,
    },
    /// It could not be run.
    #[error("{} cannot be run: {reason}: {HELP}", path.display())]
    Broken {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It refused the code.
    #[error("{} made no code for `{architecture}`: {said}", path.display())]
    Refused {
        /// Its path.
        path: PathBuf,
        /// The architecture.
        architecture: String,
        /// What it said.
        said: String,
    },
}

/// An assembler.
#[derive(Clone, Debug)]
pub struct Assembler {
    path: PathBuf,
}

impl Assembler {
    /// The one below `root`, the folder of a toolkit, or else in one of the folders of `path`.
    pub fn find(root: Option<&Path>, path: &[PathBuf]) -> Result<Assembler, AssemblerError> {
        let mut folders: Vec<PathBuf> = root.iter().map(|root| root.join("bin")).collect();
        // A toolkit that is named is the one that is meant.
        if root.is_none() {
            folders.extend(path.iter().cloned());
            folders.push(PathBuf::from("/usr/local/cuda/bin"));
        }
        match folders.iter().map(|folder| folder.join("ptxas")).find(|file| file.is_file()) {
            Some(path) => Ok(Assembler { path }),
            None => {
                let looked = match root {
                    Some(_) => folders[0].display().to_string(),
                    None => "CUDA_PATH (which is not set), PATH and /usr/local/cuda".to_string(),
                };
                Err(AssemblerError::Missing { looked })
            }
        }
    }

    /// The one that the environment names: below `CUDA_PATH`, or else on `PATH` or at the usual place.
    pub fn of_environment() -> Result<Assembler, AssemblerError> {
        let root = std::env::var_os("CUDA_PATH").filter(|root| !root.is_empty()).map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        Assembler::find(root.as_deref(), &std::env::split_paths(&path).collect::<Vec<PathBuf>>())
    }

    fn broken(&self, error: &std::io::Error) -> AssemblerError {
        AssemblerError::Broken { path: self.path.clone(), reason: error.to_string() }
    }

    /// Machine code of one kernel, and what it uses. What spills to make room for several cubes is made again with room for one.
    fn run(&self, kernel: &GpuKernel, architecture: &str) -> Result<GpuKernel, AssemblerError> {
        let text = String::from_utf8_lossy(kernel.image.strip_suffix(&[0]).unwrap_or(&kernel.image));
        let (image, resources) = self.assemble(&text, architecture)?;
        if resources.spill_stores == 0 && resources.spill_loads == 0 {
            return Ok(GpuKernel { image, resources: Some(resources), ..kernel.clone() });
        }
        let line = |line: &str| if line.starts_with(CUBES) { format!("{CUBES} 1\n") } else { format!("{line}\n") };
        let (image, resources) = self.assemble(&text.lines().map(line).collect::<String>(), architecture)?;
        Ok(GpuKernel { image, resources: Some(resources), ..kernel.clone() })
    }

    /// Machine code of one text, and what it uses.
    fn assemble(&self, text: &str, architecture: &str) -> Result<(Vec<u8>, Resources), AssemblerError> {
        let folder = tempfile::tempdir().map_err(|error| self.broken(&error))?;
        let (source, target) = (folder.path().join("kernel.ptx"), folder.path().join("kernel.cubin"));
        std::fs::write(&source, text).map_err(|error| self.broken(&error))?;
        let output = Command::new(&self.path)
            .args(["-v", "-O3", &format!("-arch={architecture}"), "-o"])
            .args([&target, &source])
            .output()
            .map_err(|error| self.broken(&error))?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let refused = || AssemblerError::Refused {
            path: self.path.clone(),
            architecture: architecture.to_string(),
            said: said.trim().to_string(),
        };
        if !output.status.success() {
            return Err(refused());
        }
        let image = std::fs::read(&target).map_err(|error| self.broken(&error))?;
        Ok((image, resources(&said).ok_or_else(refused)?))
    }
}

/// Machine code for an architecture, `sm_90`, from PTX.
pub fn assemble(code: &GpuCode, architecture: &str, assembler: &Assembler) -> Result<GpuCode, AssemblerError> {
    let kernels =
        code.kernels.par_iter().map(|kernel| assembler.run(kernel, architecture)).collect::<Result<_, _>>()?;
    Ok(GpuCode { architecture: architecture.to_string(), format: Format::Cubin, kernels, ..code.clone() })
}

/// Reads `Used 32 registers` and `0 bytes spill stores, 0 bytes spill loads`.
fn resources(said: &str) -> Option<Resources> {
    let before = |what: &str| -> Option<u32> {
        let words = said.split(what).next().filter(|words| words.len() < said.len())?;
        words.split_whitespace().next_back()?.parse().ok()
    };
    Some(Resources {
        registers: before(" registers")?,
        spill_stores: before(" bytes spill stores")?,
        spill_loads: before(" bytes spill loads")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_assembler_says_is_read() {
        let said = "ptxas info    : 0 bytes gmem\nptxas info    : Compiling entry function 'k' for 'sm_90'\n\
            ptxas info    : Function properties for k\n    8 bytes stack frame, 16 bytes spill stores, 24 bytes spill loads\n\
            ptxas info    : Used 32 registers, used 1 barriers, 8 bytes cumulative stack size\n";
        let expected = Resources { registers: 32, spill_stores: 16, spill_loads: 24 };
        assert_eq!(resources(said), Some(expected));
        assert_eq!(resources("nothing of the kind"), None);
    }

    #[test]
    fn without_an_assembler_the_message_says_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let error = Assembler::find(Some(folder.path()), &[]).unwrap_err().to_string();
        assert!(error.contains("pip install nvidia-cuda-nvcc-cu12") && error.contains("bin"), "{error}");
    }
}
