//! What the kernels for tensor cores share: the sizes of their work, and products of tiles in shared memory.
//!
//! # Design
//!
//! A cube multiplies a tile of one matrix by a tile of another, slab by slab of what is summed over. Both slabs are in shared memory in the
//! precision of the kernel; sums are single precision, in fragments of [`EDGE`] by `EDGE` that the units of a plane hold together. Each plane
//! has `down * across` fragments.
//!
//! Where a plane is one unit, as on processors, a fragment is an array of numbers of that unit, and the same slabs are multiplied by
//! multiply-adds: everything but the instruction itself is what GPUs run, so tests can compare it with a reference.
//!
//! **Scaling.** Values are logarithms. What is multiplied are `exp(x - max)`, one maximum for each sample and block, so there is nothing
//! between factors but one subtraction; a sum is `ln(sum) + max`. Numbers of 16 bits (bf16) have the exponents of single precision, so what
//! underflows is the same in each [`Precision`], and is computed again in the same way.
//!
//! **Errors.** A number rounded to `p` bits of significand is off by at most `2^-p` of itself: 8 bits for bf16, 11 for tf32. All terms of a sum
//! are positive, so a sum of products of two rounded numbers is off by at most `2^(1-p)` of itself, and its logarithm by as much.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::spot::Shape;
use crate::gpu::stage::Matrix;
use cubecl::cmma;
use cubecl::prelude::*;
use danaus_artifact::gpu::Precision;

/// Rows, and columns, of a fragment.
pub const EDGE: usize = 16;

/// Numbers in a row of a slab beyond those that are used, so that the rows of a fragment lie in different banks.
const PAD: usize = 8;

/// The sizes of a cube's work.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct TensorShape {
    /// What is multiplied.
    pub precision: Precision,
    /// Units, and vectors of samples.
    pub shape: Shape,
    /// Samples in a vector.
    pub lanes: usize,
    /// Units that hold a fragment together: 32 on GPUs, 1 where there are no tensor cores.
    pub plane: usize,
    /// Fragments of a plane, one below the other.
    pub down: usize,
    /// Fragments of a plane, side by side.
    pub across: usize,
    /// Fragments of a cube, side by side.
    pub width: usize,
    /// What is summed over in a slab: a multiple of the depth of a product of fragments, and of the groups of units.
    pub depth: usize,
}

/// How a slab stands in shared memory.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Slab {
    /// From one row to the next.
    pub pitch: usize,
    /// Whether a row is what is summed over at one place, rather than one place at what is summed over.
    pub summed_first: bool,
}

impl TensorShape {
    /// Samples of a cube.
    pub fn samples(&self) -> usize {
        self.shape.vectors * self.lanes
    }

    /// Planes of a cube.
    pub fn planes(&self) -> usize {
        self.shape.units / self.plane
    }

    /// Planes side by side.
    pub fn abreast(&self) -> usize {
        self.width / self.across
    }

    /// Rows of a cube's product.
    pub fn rows(&self) -> usize {
        self.planes() / self.abreast() * self.down * EDGE
    }

    /// Columns of a cube's product.
    pub fn columns(&self) -> usize {
        self.width * EDGE
    }

    /// Fragments of a plane.
    pub fn fragments(&self) -> usize {
        self.down * self.across
    }

    /// What a product of fragments sums over.
    pub fn step(&self) -> usize {
        match self.precision {
            Precision::Bf16 => 16,
            Precision::Tf32 | Precision::F32 => 8,
        }
    }

    /// Cubes of a block of so many rows, for every tile of samples.
    pub fn chunks(&self, rows: usize) -> usize {
        rows.div_ceil(self.rows())
    }

    /// The slab of weights: a row has the weights of one input.
    pub fn weights(&self) -> Slab {
        Slab { pitch: self.rows() + PAD, summed_first: true }
    }

    /// The slab of what is multiplied by weights: a row has the samples of one input.
    pub fn values(&self) -> Slab {
        Slab { pitch: self.samples() + PAD.max(self.lanes), summed_first: true }
    }

    /// A slab that is summed over its samples: a row has those of one unit of a layer.
    pub fn sampled(&self) -> Slab {
        Slab { summed_first: false, ..self.values() }
    }
}

/// The numbers of a slab in which a fragment lies.
fn extent(slab: Slab, step: usize) -> usize {
    if slab.summed_first { (step - 1) * slab.pitch + EDGE } else { (EDGE - 1) * slab.pitch + step }
}

/// Where a fragment that begins at `first` and sums from `k` on lies in a slab.
#[cube]
fn position(first: usize, k: usize, #[comptime] slab: Slab) -> usize {
    if comptime!(slab.summed_first) { k * slab.pitch + first } else { first * slab.pitch + k }
}

/// A vector in the precision of the kernel.
#[cube]
pub fn rounded<N: Size, E: Float>(x: Vector<f32, N>, #[comptime] precision: Precision) -> Vector<E, N> {
    if comptime!(precision == Precision::Tf32) {
        // Single precision whose last 13 bits are rounded away.
        let bits = Vector::<u32, N>::reinterpret(x) + Vector::new(0x1000u32);
        Vector::<E, N>::cast_from(Vector::<f32, N>::reinterpret(bits & Vector::new(0xffff_e000u32)))
    } else {
        Vector::<E, N>::cast_from(x)
    }
}

/// The fragments of a plane, all 0: as fragments on a GPU, as numbers where a plane is one unit.
#[cube]
pub fn begin(#[comptime] s: TensorShape) -> (Sequence<cmma::Matrix<f32>>, Array<f32>) {
    let mut fragments = Sequence::<cmma::Matrix<f32>>::new();
    let length = comptime!(if s.plane > 1 { 1 } else { s.fragments() * EDGE * EDGE });
    let mut numbers = Array::<f32>::new(length);
    if comptime!(s.plane > 1) {
        #[unroll]
        for _ in 0..comptime!(s.fragments()) {
            fragments.push(cmma::Matrix::<f32>::from_value(
                cmma::MatrixIdent::Accumulator,
                EDGE,
                EDGE,
                comptime!(s.step()),
                cmma::MatrixLayout::Undefined,
                0.0,
            ));
        }
    } else {
        for at in 0..length {
            numbers[at] = 0.0;
        }
    }
    (fragments, numbers)
}

/// The first row and the first column of the unit's plane, within the cube.
#[cube]
pub fn corner(#[comptime] s: TensorShape) -> (usize, usize) {
    let plane = UNIT_POS as usize / s.plane;
    let (row, column) = (plane / comptime!(s.abreast()), plane % comptime!(s.abreast()));
    (row * comptime!(s.down * EDGE), column * comptime!(s.across * EDGE))
}

/// A fragment of the left or the right matrix.
#[cube]
fn loaded<E: Float, F: Float>(
    slab: &[E],
    at: usize,
    #[comptime] ident: cmma::MatrixIdent,
    #[comptime] layout: Slab,
    #[comptime] step: usize,
) -> cmma::Matrix<F> {
    let is_column_major = comptime!(layout.summed_first == (ident == cmma::MatrixIdent::A));
    let order = comptime!(if is_column_major { cmma::MatrixLayout::ColMajor } else { cmma::MatrixLayout::RowMajor });
    // SAFETY: it is loaded before it is used.
    let mut fragment = unsafe { cmma::Matrix::<F>::uninitialized(ident, EDGE, EDGE, step, order) };
    cmma::load(&mut fragment, &slab[at..at + comptime!(extent(layout, step))], comptime!(layout.pitch as u32));
    fragment
}

/// Adds to the fragments of the plane the product of two slabs of `depth`.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn multiply<E: Float, F: Float>(
    left: &[E],
    right: &[E],
    fragments: &mut Sequence<cmma::Matrix<f32>>,
    numbers: &mut Array<f32>,
    #[comptime] depth: usize,
    #[comptime] lefts: Slab,
    #[comptime] rights: Slab,
    #[comptime] s: TensorShape,
) {
    let (row, column) = corner(s);
    if comptime!(s.plane > 1) {
        let step = comptime!(s.step());
        #[unroll]
        for slice in 0..comptime!(depth / s.step()) {
            let k = comptime!(slice * step);
            let mut rows = Sequence::<cmma::Matrix<F>>::new();
            #[unroll]
            for a in 0..s.down {
                let at = position(row + comptime!(a * EDGE), k, lefts);
                rows.push(loaded::<E, F>(left, at, cmma::MatrixIdent::A, lefts, step));
            }
            #[unroll]
            for b in 0..s.across {
                let at = position(column + comptime!(b * EDGE), k, rights);
                let columns = loaded::<E, F>(right, at, cmma::MatrixIdent::B, rights, step);
                #[unroll]
                for a in 0..s.down {
                    let sums = fragments.index(comptime!(a * s.across + b));
                    cmma::execute(rows.index(a), &columns, sums, sums);
                }
            }
        }
    } else {
        for number in 0..comptime!(s.fragments() * EDGE * EDGE) {
            let (fragment, within) = (number / comptime!(EDGE * EDGE), number % comptime!(EDGE * EDGE));
            let r = row + fragment / s.across * EDGE + within / EDGE;
            let c = column + fragment % s.across * EDGE + within % EDGE;
            let mut sum = numbers[number];
            for k in 0..depth {
                let a = f32::cast_from(left[position(r, k, lefts)]);
                let b = f32::cast_from(right[position(c, k, rights)]);
                sum = fma(a, b, sum);
            }
            numbers[number] = sum;
        }
    }
}

/// Brings fragment `fragment` of the unit's plane to the plane's part of `staging`, row by row. What stood there must have been read.
#[cube]
pub fn stage(
    fragments: &Sequence<cmma::Matrix<f32>>,
    numbers: &Array<f32>,
    staging: &mut [f32],
    #[comptime] fragment: usize,
    #[comptime] s: TensorShape,
) {
    let first = UNIT_POS as usize / s.plane * comptime!(EDGE * EDGE);
    if comptime!(s.plane > 1) {
        sync_plane();
        let part = &mut staging[first..first + comptime!(EDGE * EDGE)];
        cmma::store(part, fragments.index(fragment), comptime!(EDGE as u32), cmma::MatrixLayout::RowMajor);
        sync_plane();
    } else {
        for at in 0..comptime!(EDGE * EDGE) {
            staging[first + at] = numbers[comptime!(fragment * EDGE * EDGE) + at];
        }
    }
}

/// Copies the weights of [`TensorShape::depth`] inputs from `k0` on and the cube's rows from `o0` on to shared memory; what is beyond the
/// block is 0. `weights` is where those of the block begin.
#[cube]
pub fn fetch_matrix<E: Float>(
    matrices: &[E],
    slab: &mut [E],
    weights: usize,
    o0: usize,
    k0: usize,
    #[comptime] m: Matrix,
    #[comptime] s: TensorShape,
) {
    // The most that is aligned in every row of every block.
    let together = comptime!(
        [8, 4, 2].into_iter().find(|&n| m.columns.is_multiple_of(n) && m.length().is_multiple_of(n)).unwrap_or(1)
    );
    let across = comptime!(s.rows() / together);
    let all = comptime!(s.depth * s.rows() / together);
    let size!(T) = together;
    let from = matrices.as_vectorized().with_vector_size::<T>();
    let to = slab.as_vectorized_mut().with_vector_size_mut::<T>();
    for step in 0..comptime!((s.depth * s.rows() / together).div_ceil(s.shape.units)) {
        let at = step * s.shape.units + UNIT_POS as usize;
        if at < all {
            let (k, o) = (at / across, at % across * together);
            let mut weight = Vector::<E, T>::new(E::from_int(0));
            if k0 + k < m.summed && o0 + o < m.columns {
                weight = from[(weights + (k0 + k) * m.columns + o0 + o) / together];
            }
            to[(k * comptime!(s.weights().pitch) + o) / together] = weight;
        }
    }
}
