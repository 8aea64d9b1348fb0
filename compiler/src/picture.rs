//! Pictures of circuits, for people.
//!
//! [`dot()`] draws a circuit in the language of Graphviz: the root on top, inputs at the bottom, edges from a layer to
//! its operands, a scan as a box around its body. Repetitions of a chain that is not rolled are drawn once and
//! counted. [`svg`] lays out such a text (also that of a region graph) without Graphviz.
//!
//! Invariant: equal circuits give equal pictures.

mod dot;
mod elide;
mod label;
mod layout;
mod scene;
mod write;

pub use dot::dot;

/// Why a text in the language of Graphviz cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the picture cannot be drawn: {0}")]
pub struct PictureError(String);

/// Draws a text in the language of Graphviz as SVG. Known are: boxes and ellipses, clusters with a label, and the
/// attributes `label`, `shape`, `style` (filled, dashed, rounded), `fillcolor`, `color`, `fontsize` and `penwidth`.
pub fn svg(dot: &str) -> Result<String, PictureError> {
    let scene = scene::scene(dot)?;
    Ok(write::write(&scene, &layout::layout(&scene)))
}
