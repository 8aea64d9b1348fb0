//! The loops of a flow plan that are computed as chains in linear space; see [`crate::chain`].

use super::layout::{FlowLayout, LoopRows, Placed};
use super::program::{FlowProgram, FlowSession, zeros};
use crate::chain::session::{Buffers, ChainSession, between, kept_regions};
use crate::error::KernelError;
use crate::launch::{Layout, argument, grid};
use crate::queries::check::posterior_groups;
use crate::rescale::restore_kernel;
use cubecl::server::Handle;
use danaus_artifact::chain::{Chain, is_posterior};
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
        let session = |(index, rows): (usize, &LoopRows)| {
            let chain = self.chain_that_fits(index, rows);
            chain.map(|chain| ChainSession::with_flows(&self.client, chain, lanes, arena, rows)).transpose()
        };
        layout.loops.iter().enumerate().map(session).collect()
    }

    /// A chain if its values fit where the frames would be.
    fn chain_that_fits(&self, index: usize, rows: &LoopRows) -> Option<&Chain> {
        let chain = self.chains[index].as_ref()?.chain();
        let needed = kept_regions(chain, rows.segment) * u64::from(chain.widest());
        (needed <= u64::from(rows.segment) * u64::from(self.plan.loops[index].frame_rows)).then_some(chain)
    }

    /// The launches of posteriors of every chain in linear space, `[loop][segment][launch]`: one for all iterations of a segment whose flows
    /// stand where values were. Their records are added to the tables.
    pub(super) fn chain_posteriors(&self, layout: &mut FlowLayout) -> Result<Vec<Vec<Vec<Placed>>>, KernelError> {
        let mut all = Vec::with_capacity(self.plan.loops.len());
        for (index, body) in self.plan.loops.iter().enumerate() {
            let rows = layout.loops[index];
            let Some(chain) = self.chain_that_fits(index, &rows) else {
                all.push(Vec::new());
                continue;
            };
            let launches: Vec<usize> =
                (0..body.backward.len()).filter(|&at| is_posterior(&self.plan, &body.backward[at])).collect();
            let mut of_chain = Vec::new();
            for first in (0..body.steps).step_by(rows.segment as usize) {
                let end = body.steps.min(first + rows.segment);
                // The flow of an iteration is that of the carry after it.
                let iterations = first.saturating_sub(1)..if end == body.steps { end } else { end - 1 };
                let carry = between(chain) * chain.widest();
                let flow = |iteration: u32| match iteration + 1 {
                    last if last == body.steps => body.result_flow,
                    next => rows.frames + (next - first) * carry,
                };
                let place = |&at: &usize| {
                    let placed =
                        iterations.clone().map(|step| (flow(step), layout.loops_backward[index][step as usize][at]));
                    together(&placed.collect::<Vec<_>>(), &mut layout.tables)
                };
                of_chain.push(launches.iter().map(place).collect::<Result<Vec<Placed>, KernelError>>()?);
            }
            all.push(of_chain);
        }
        Ok(all)
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

    /// Queues the flows of a chain in linear space, and the posteriors of the variables that its iterations read.
    pub(super) fn chain_backward(&mut self, session: &FlowSession, index: usize) -> Result<(), KernelError> {
        let body = &self.plan.loops[index];
        let parameters = self.chains[index].as_ref().expect("it is a chain");
        let chain = session.chains[index].as_ref().expect("it is a chain");
        let (client, memory, offsets) = (&self.client, &session.memory, &session.offsets);
        let buffers = Buffers { client, memory, offsets, failed: offsets, parameters };
        let flows = [body.first_flow, body.result_flow];
        let mut posteriors = 0;
        let mut then = |segment: u32| {
            for placed in &session.chain_posteriors[index][segment as usize] {
                let config = &session.configs[&(placed.kernel, placed.members)];
                // SAFETY: the launches that it stands for were checked, and the flows of a chain lie within the arena.
                unsafe { config.launch(client, memory, &self.counts, &session.answers, *placed) };
                posteriors += 1;
            }
        };
        // SAFETY: the plan was checked, and the buffers were made for it and for this layout.
        let launches = unsafe { chain.backward(&buffers, &self.counts, body.first, flows, &mut then) };
        self.stats.launches += launches + posteriors;
        self.queued()
    }
}

/// One launch of posteriors in the place of several, whose readers find their flows elsewhere: at the given rows.
fn together(launches: &[(u32, Placed)], tables: &mut Vec<u32>) -> Result<Placed, KernelError> {
    let (mut readers, mut groups) = (Vec::new(), Vec::new());
    for &(flow, Placed { table, members, groups: count, .. }) in launches {
        let (table, before) = (table as usize, readers.len() as u32 / 3);
        let (own, rest) = tables[table..].split_at(3 * members as usize);
        readers.extend(own.chunks_exact(3).flat_map(|record| [flow, record[1], record[2]]));
        groups.extend(rest[..2 * count as usize].iter().map(|reader| before + reader));
    }
    let kernel = launches.first().map_or(0, |(_, placed)| placed.kernel);
    let [members, count] = [readers.len() / 3, groups.len() / 2].map(|count| count as u32);
    let placed = Placed { kernel, table: tables.len() as u32, members, groups: count };
    tables.extend(readers.iter().chain(&groups));
    posterior_groups(&groups, &placed, tables)?;
    Ok(placed)
}
