//! The loops of a flow plan that are computed as chains in linear space; see [`crate::chain`].

use super::layout::{FlowLayout, LoopRows};
use super::program::{FlowProgram, FlowSession, zeros};
use crate::chain::parameters::ChainParameters;
use crate::chain::session::{Buffers, ChainSession, kept_regions};
use crate::error::KernelError;
use crate::launch::{Layout, argument, grid};
use crate::rescale::restore_kernel;
use cubecl::server::Handle;
use danaus_artifact::flow_plan::FlowLoop;
use danaus_artifact::plan::CHUNK;
use std::time::Instant;

impl FlowProgram {
    /// The buffers of the chains whose values fit where the frames would be.
    pub(super) fn chain_sessions(
        &self,
        layout: &FlowLayout,
        lanes: Layout,
        arena: &Handle,
    ) -> Result<Vec<Option<ChainSession>>, KernelError> {
        let session = |((chain, body), rows): ((&Option<ChainParameters>, &FlowLoop), &LoopRows)| {
            let Some(chain) = chain.as_ref().map(ChainParameters::chain) else { return Ok(None) };
            let needed = kept_regions(chain, rows.segment) * u64::from(chain.widest());
            let fits = needed <= u64::from(rows.segment) * u64::from(body.frame_rows);
            fits.then(|| ChainSession::with_flows(&self.client, chain, lanes, arena, rows)).transpose()
        };
        self.chains.iter().zip(&self.plan.loops).zip(&layout.loops).map(session).collect()
    }

    /// Compiles the kernels of chains that are new.
    pub(super) fn compile_chains(&mut self, session: &FlowSession) -> Result<(), KernelError> {
        let Layout { lanes, units, .. } = session.memory.layout;
        let nothing = zeros::<f32>(&self.client, CHUNK);
        for (parameters, chain) in self.chains.iter_mut().zip(&session.chains) {
            let (Some(parameters), Some(chain)) = (parameters, chain) else { continue };
            let flows = chain.flow_config().expect("it has flows").clone();
            if !self.compiled_chains.insert((chain.config().clone(), flows, lanes, units)) {
                continue;
            }
            let start = Instant::now();
            parameters.update(&self.client, &session.memory.packed, units);
            let (client, memory, offsets) = (&self.client, &session.memory, &session.offsets);
            let buffers = Buffers { client, memory, offsets, failed: &nothing, parameters };
            // SAFETY: no iterations, hence hardly any access.
            unsafe {
                chain.walk(&buffers, 0..0, true);
                chain.walk_back(&buffers, &self.counts, 0..0);
            }
            cubecl::future::block_on(self.client.sync())
                .map_err(|error| KernelError::Device(format!("{error:?} (while compiling {:?})", chain.config())))?;
            self.stats.compile_seconds += start.elapsed().as_secs_f64();
            self.stats.kernels += 2;
        }
        Ok(())
    }

    /// Queues a chain in linear space, and adds its offsets back unless they are the root's.
    pub(super) fn chain_forward(
        &mut self,
        session: &FlowSession,
        index: usize,
        failed: &Handle,
    ) -> Result<(), KernelError> {
        let body = &self.plan.loops[index];
        let parameters = self.chains[index].as_mut().expect("it is a chain");
        self.stats.launches += parameters.update(&self.client, &session.memory.packed, self.units);
        let chain = session.chains[index].as_ref().expect("it is a chain");
        let (client, memory, offsets) = (&self.client, &session.memory, &session.offsets);
        let buffers = Buffers { client, memory, offsets, failed, parameters };
        // SAFETY: the plan was checked, and the buffers were made for it and for this layout.
        self.stats.launches += unsafe { chain.forward(&buffers, [body.first, body.result]) };
        if !self.plan.root_offset {
            let (count, dim) = grid(memory.layout);
            let [arena, offsets] = [&memory.arena, &session.offsets].map(argument);
            let (lanes, vectors) = (memory.layout.lanes, memory.layout.vectors as u32);
            let (row, width) = (body.result, body.width);
            // SAFETY: the rows were checked to lie within the arena.
            unsafe {
                restore_kernel::launch_unchecked(&self.client, count, dim, lanes, arena, offsets, row, width, vectors);
            }
            self.stats.launches += 1;
        }
        self.queued()
    }

    /// Queues the flows of a chain in linear space.
    pub(super) fn chain_backward(&mut self, session: &FlowSession, index: usize) -> Result<(), KernelError> {
        let body = &self.plan.loops[index];
        let parameters = self.chains[index].as_ref().expect("it is a chain");
        let chain = session.chains[index].as_ref().expect("it is a chain");
        let (client, memory, offsets) = (&self.client, &session.memory, &session.offsets);
        let buffers = Buffers { client, memory, offsets, failed: offsets, parameters };
        let flows = [body.first_flow, body.result_flow];
        // SAFETY: the plan was checked, and the buffers were made for it and for this layout.
        self.stats.launches += unsafe { chain.backward(&buffers, &self.counts, body.first, flows) };
        self.queued()
    }
}
