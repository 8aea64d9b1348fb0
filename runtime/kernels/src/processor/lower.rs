//! From a kernel in CubeCL's intermediate representation to LLVM's.
//!
//! These are CubeCL's lowerings for processors, in an order that they need; its own function that runs them also translates the result and
//! keeps it to itself.
//!
//! **Invariant.** Buffers begin at multiples of [`ALIGNMENT`] bytes, which is more than any vector needs.

use cubecl::prelude::KernelDefinition;
use cubecl_core::ir::AddressType;
use cubecl_core::ir::ContextExt;
use cubecl_core::ir::NamedRewrite;
use cubecl_core::ir::dialect::OperationPtrExt;
use cubecl_core::ir::dialect::memory::{LoadOp, StoreOp};
use cubecl_core::ir::dialect::scf::BranchToSCFPass;
use cubecl_core::ir::pliron::builtin::ops::{FuncOp, ModuleOp};
use cubecl_core::ir::pliron::context::{Context, Ptr};
use cubecl_core::ir::pliron::irbuild::dialect_conversion::{
    DialectConversion, DialectConversionRewriter, OperandsInfo,
};
use cubecl_core::ir::pliron::op::Op;
use cubecl_core::ir::pliron::operation::Operation;
use cubecl_core::ir::pliron::operation::verify_operation;
use cubecl_core::ir::pliron::opts::{dce::DCEPass, mem2reg::Mem2RegPass, simplify_cfg::SimplifyCFGPass};
use cubecl_core::ir::pliron::pass::{AnalysisManager, NestedOpsPass, OpPass, Pass, Passes};
use cubecl_core::ir::pliron::printable::Printable;
use cubecl_core::ir::pliron::result::Result as Converted;
use cubecl_core::ir::pliron::r#type::TypeHandle;
use cubecl_core::ir::rewrite::{DialectConversionPass, SimplifyOpsPass};
use cubecl_core::post_processing::bitwise::PromoteBitwisePass;
use cubecl_llvm::LlvmTarget;
use cubecl_llvm::SharedMemories;
use cubecl_llvm::cpu::abi::CpuLowering;
use cubecl_llvm::shared::branch::SCFToLlvmCf;
use cubecl_llvm::shared::lowering::TargetLowering;
use cubecl_llvm::shared::metadata::{CtxGridConstants, LowerEntryAbiPass};
use cubecl_llvm::shared::polyfill::LowerComplexOpPass;
use cubecl_llvm::shared::to_llvm::CubeToLLVM;
use cubecl_llvm::target::CtxTarget;
use cubecl_opt::passes::inst_combine::InstCombinePass;
use cubecl_opt::passes::sccp::SCCPPass;
use cubecl_opt::passes::simple_cse::SimpleCSEPass;
use cubecl_opt::passes::sroa::SROAPass;
use cubecl_runtime::config::compilation::F16Evaluation;
use pliron_llvm::builtin_to_llvm::builtin_to_llvm_pass;
use pliron_llvm::llvm_sys::core::LLVMContext;
use pliron_llvm::to_llvm_ir::convert_module;
use std::cell::RefCell;
use std::rc::Rc;

/// Buffers begin at multiples of so many bytes.
pub const ALIGNMENT: u64 = 64;

/// The text of a kernel in LLVM's intermediate representation, not yet optimised; a reason if this cannot be.
pub fn lower(definition: KernelDefinition) -> Result<String, String> {
    let errors = definition.body.pop_errors();
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    let module = definition.body.state().module;
    let mut ctx = definition.body.into_context().ok_or("the kernel is still being expanded")?;
    ctx.set_target(LlvmTarget::Cpu);
    ctx.set_grid_constants(false);

    let shared: Rc<RefCell<SharedMemories>> = Rc::default();
    let target = CpuLowering::new(shared.clone(), F16Evaluation::PerOperation);
    let mut passes = OpPass::<ModuleOp, Passes>::default();
    passes.add_pass(NestedOpsPass::new(simplify(&target)));
    let layout = LowerEntryAbiPass::new(definition.info, target.arg_layout());
    passes.add_pass(NestedOpsPass::new(translate(layout)));
    passes.add_pass(builtin_to_llvm_pass());
    let root = module.get_operation();
    passes.run(root, &mut ctx, &mut AnalysisManager::default()).map_err(|error| error.disp(&ctx).to_string())?;
    if !shared.borrow().blocks.is_empty() {
        return Err("it has shared memory".to_string());
    }
    verify_operation(root, &ctx).map_err(|error| error.disp(&ctx).to_string())?;
    let types = LLVMContext::default();
    let llvm = convert_module(&ctx, &types, module).map_err(|error| error.disp(&ctx).to_string())?;
    Ok(llvm.to_string())
}

/// The loops over cubes, and what makes the kernel smaller.
fn simplify(target: &CpuLowering) -> OpPass<FuncOp, Passes> {
    let mut passes = OpPass::<FuncOp, Passes>::default();
    target.prologue(&mut passes);
    passes.add_pass(SROAPass);
    passes.add_pass(SCCPPass);
    passes.add_pass(SimpleCSEPass::with_memory());
    passes.add_pass(SimplifyOpsPass::default());
    passes.add_pass(PromoteBitwisePass);
    passes.add_pass(InstCombinePass::default());
    passes.add_pass(LowerComplexOpPass::default());
    target.epilogue(&mut passes);
    passes.add_pass(DCEPass);
    passes.add_pass(SROAPass);
    passes
}

/// From cubes and their branches to LLVM's instructions and blocks.
fn translate(layout: LowerEntryAbiPass) -> OpPass<FuncOp, Passes> {
    let mut passes = OpPass::<FuncOp, Passes>::default();
    passes.add_pass(BranchToSCFPass::default());
    passes.add_pass(SCFToLlvmCf::default());
    passes.add_pass(layout);
    passes.add_pass(DialectConversionPass::<Aligned>::default());
    passes.add_pass(SimplifyCFGPass);
    passes.add_pass(DCEPass);
    passes.add_pass(Mem2RegPass);
    passes
}

/// CubeCL's translation of operations, with loads and stores of vectors that stand where vectors should.
///
/// How far CubeCL may trust the buffers of a processor is said by a type of its own that nobody else can make; on other targets it
/// trusts them as far as a value needs. So loads and stores, and they only, are translated as for another target, with addresses of 64
/// bits as on processors.
#[derive(Default)]
struct Aligned(CubeToLLVM);

impl NamedRewrite for Aligned {
    fn name(&self) -> &str {
        "Aligned"
    }
}

impl DialectConversion for Aligned {
    fn can_convert_op(&self, ctx: &Context, op: Ptr<Operation>) -> bool {
        self.0.can_convert_op(ctx, op)
    }

    fn can_convert_type(&self, ctx: &Context, ty: TypeHandle) -> bool {
        self.0.can_convert_type(ctx, ty)
    }

    fn convert_type(&mut self, ctx: &mut Context, ty: TypeHandle) -> Converted<TypeHandle> {
        self.0.convert_type(ctx, ty)
    }

    fn rewrite(
        &mut self,
        ctx: &mut Context,
        rewriter: &mut DialectConversionRewriter,
        op: Ptr<Operation>,
        operands: &OperandsInfo,
    ) -> Converted<()> {
        if !op.is_op::<LoadOp>(ctx) && !op.is_op::<StoreOp>(ctx) {
            return self.0.rewrite(ctx, rewriter, op, operands);
        }
        let addresses = ctx.address_type();
        ctx.set_address_type(AddressType::U64);
        ctx.set_target(LlvmTarget::Nvptx);
        let rewritten = self.0.rewrite(ctx, rewriter, op, operands);
        ctx.set_target(LlvmTarget::Cpu);
        ctx.set_address_type(addresses);
        rewritten
    }
}
