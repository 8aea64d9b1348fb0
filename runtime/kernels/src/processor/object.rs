//! From LLVM's intermediate representation to object code, and from object code to a function that can be called.
//!
//! Code is made for the processor that this runs on, with all that it can do.

use super::workers::Entry;
use llvm_sys::LLVMLinkage;
use llvm_sys::core::*;
use llvm_sys::error::{LLVMDisposeErrorMessage, LLVMErrorRef, LLVMGetErrorMessage};
use llvm_sys::ir_reader::LLVMParseIRInContext2;
use llvm_sys::orc2::lljit::*;
use llvm_sys::prelude::{LLVMContextRef, LLVMMemoryBufferRef, LLVMModuleRef};
use llvm_sys::target::{LLVMDisposeTargetData, LLVMSetModuleDataLayout};
use llvm_sys::target_machine::*;
use llvm_sys::transforms::pass_builder::*;
use pliron_llvm::llvm_sys::target::initialize_native;
use std::ffi::{CStr, CString, c_char};
use std::ptr::{null_mut, slice_from_raw_parts};
use std::sync::OnceLock;

/// The machine's name, processor and what it can do, in LLVM's words, and LLVM's version: all that object code depends on besides its kernel.
pub struct Host {
    triple: CString,
    processor: CString,
    features: CString,
    version: [u32; 3],
}

impl Host {
    /// Asks the processor.
    pub fn new() -> Result<Host, String> {
        initialize_native()?;
        let mut version = [0; 3];
        let [major, minor, patch] = &mut version;
        // SAFETY: the numbers are written, and each message is ours.
        unsafe {
            LLVMGetVersion(major, minor, patch);
            Ok(Host {
                triple: message(LLVMGetDefaultTargetTriple()),
                processor: message(LLVMGetHostCPUName()),
                features: message(LLVMGetHostCPUFeatures()),
                version,
            })
        }
    }

    /// All of it as a text.
    pub fn describe(&self) -> String {
        format!("{:?} {:?} {:?} {:?}", self.triple, self.processor, self.features, self.version)
    }

    /// Object code of the kernel `entry` in a text of LLVM's intermediate representation. It has one symbol that others see, `symbol`.
    pub fn compile(&self, text: &str, entry: &str, symbol: &str) -> Result<Vec<u8>, String> {
        let module = Module::parse(text)?;
        module.keep_only(&c_string(entry)?, symbol)?;
        let machine = self.machine()?;
        // SAFETY: both live to the end, and the module copies the layout.
        unsafe {
            LLVMSetTarget(module.module, self.triple.as_ptr());
            let layout = LLVMCreateTargetDataLayout(machine.0);
            LLVMSetModuleDataLayout(module.module, layout);
            LLVMDisposeTargetData(layout);
            let options = LLVMCreatePassBuilderOptions();
            let passed = LLVMRunPasses(module.module, c"default<O3>".as_ptr(), machine.0, options);
            LLVMDisposePassBuilderOptions(options);
            check(passed)?;
            let (mut buffer, mut error) = (null_mut(), null_mut());
            let kind = LLVMCodeGenFileType::LLVMObjectFile;
            if LLVMTargetMachineEmitToMemoryBuffer(machine.0, module.module, kind, &mut error, &mut buffer) != 0 {
                return Err(message(error).to_string_lossy().into_owned());
            }
            let bytes = slice_from_raw_parts(LLVMGetBufferStart(buffer).cast::<u8>(), LLVMGetBufferSize(buffer));
            let object = (*bytes).to_vec();
            LLVMDisposeMemoryBuffer(buffer);
            Ok(object)
        }
    }

    /// How code is made so that LLVM's linker can place it: it may stand anywhere.
    fn machine(&self) -> Result<Machine, String> {
        let (mut target, mut error) = (null_mut(), null_mut());
        // SAFETY: all texts live through the calls, and a message is ours.
        unsafe {
            if LLVMGetTargetFromTriple(self.triple.as_ptr(), &mut target, &mut error) != 0 {
                return Err(message(error).to_string_lossy().into_owned());
            }
            let machine = LLVMCreateTargetMachine(
                target,
                self.triple.as_ptr(),
                self.processor.as_ptr(),
                self.features.as_ptr(),
                LLVMCodeGenOptLevel::LLVMCodeGenLevelDefault,
                LLVMRelocMode::LLVMRelocPIC,
                LLVMCodeModel::LLVMCodeModelSmall,
            );
            if machine.is_null() { Err(format!("no code for {:?}", self.processor)) } else { Ok(Machine(machine)) }
        }
    }
}

/// Links object code into the process, to stay, and gives the address of `symbol`.
///
/// # Safety
/// The object code must have been made by [`Host::compile`] on such a processor, and `symbol` with it must be new.
pub unsafe fn link(object: &[u8], symbol: &str) -> Result<Entry, String> {
    let linker = linker()?;
    let name = c_string(symbol)?;
    let mut address = 0;
    // SAFETY: the buffer is a copy that the linker takes over, and the entry of a kernel has this type.
    unsafe {
        check(LLVMOrcLLJITAddObjectFile(linker.0, LLVMOrcLLJITGetMainJITDylib(linker.0), buffer(object)))?;
        check(LLVMOrcLLJITLookup(linker.0, &mut address, name.as_ptr()))?;
        Ok(std::mem::transmute::<usize, Entry>(address as usize))
    }
}

/// LLVM's linker, which lives as long as the process.
struct Linker(LLVMOrcLLJITRef);

// SAFETY: LLVM guards it by a lock of its own.
unsafe impl Send for Linker {}
// SAFETY: as above.
unsafe impl Sync for Linker {}

fn linker() -> Result<&'static Linker, String> {
    static LINKER: OnceLock<Result<Linker, String>> = OnceLock::new();
    let made = LINKER.get_or_init(|| {
        initialize_native()?;
        let mut linker = null_mut();
        // SAFETY: no builder means the default one.
        unsafe { check(LLVMOrcCreateLLJIT(&mut linker, null_mut()))? };
        Ok(Linker(linker))
    });
    made.as_ref().map_err(Clone::clone)
}

struct Module {
    context: LLVMContextRef,
    module: LLVMModuleRef,
}

impl Module {
    fn parse(text: &str) -> Result<Module, String> {
        // SAFETY: the context is new, and the buffer is disposed of once it was read.
        unsafe {
            let mut made = Module { context: LLVMContextCreate(), module: null_mut() };
            let (buffer, mut error) = (buffer(text.as_bytes()), null_mut());
            let failed = LLVMParseIRInContext2(made.context, buffer, &mut made.module, &mut error) != 0;
            LLVMDisposeMemoryBuffer(buffer);
            if failed { Err(message(error).to_string_lossy().into_owned()) } else { Ok(made) }
        }
    }

    /// Gives the entry a name of its own, and hides all other functions, so that any number of kernels can be linked together.
    fn keep_only(&self, entry: &CStr, symbol: &str) -> Result<(), String> {
        // SAFETY: the functions are those of the module, which lives.
        unsafe {
            let entry = LLVMGetNamedFunction(self.module, entry.as_ptr());
            if entry.is_null() {
                return Err("the kernel has no entry".to_string());
            }
            let mut function = LLVMGetFirstFunction(self.module);
            while !function.is_null() {
                if function != entry && LLVMIsDeclaration(function) == 0 {
                    LLVMSetLinkage(function, LLVMLinkage::LLVMInternalLinkage);
                }
                function = LLVMGetNextFunction(function);
            }
            LLVMSetValueName2(entry, symbol.as_ptr().cast(), symbol.len());
        }
        Ok(())
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: both are ours.
        unsafe {
            if !self.module.is_null() {
                LLVMDisposeModule(self.module);
            }
            LLVMContextDispose(self.context);
        }
    }
}

struct Machine(LLVMTargetMachineRef);

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { LLVMDisposeTargetMachine(self.0) }
    }
}

fn buffer(bytes: &[u8]) -> LLVMMemoryBufferRef {
    // SAFETY: the bytes are copied.
    unsafe { LLVMCreateMemoryBufferWithMemoryRangeCopy(bytes.as_ptr().cast(), bytes.len(), c"kernel".as_ptr()) }
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|error| error.to_string())
}

/// # Safety
/// `text` must be a message of LLVM's that the caller is to dispose of.
unsafe fn message(text: *mut c_char) -> CString {
    // SAFETY: the caller's promise.
    unsafe {
        let owned = CStr::from_ptr(text).to_owned();
        LLVMDisposeMessage(text);
        owned
    }
}

/// # Safety
/// `error` must be what a function of LLVM's has just returned.
unsafe fn check(error: LLVMErrorRef) -> Result<(), String> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise; the error is taken by the first call.
    unsafe {
        let text = LLVMGetErrorMessage(error);
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        LLVMDisposeErrorMessage(text);
        Err(owned)
    }
}
