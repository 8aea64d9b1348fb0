//! The training curve: bits per dimension over what was spent, as SVG or PNG.
//!
//! Lines are thin and pale for the updates, strong for the epochs and the validation data; the best validation is marked. The
//! scale of the bits leaves out the first, steep part of the updates. The font is part of the program: none of the system is needed.

use crate::failure::Failure;
use clap::ValueEnum;
use danaus_runtime::files;
use danaus_runtime::training::record::{Event, Record};
use danaus_runtime::training::state::State;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::ops::Range;
use std::path::Path;
use std::sync::Once;

const SIZE: (u32, u32) = (1200, 720);
/// Pixels of a PNG for each unit of the size: text and slanted lines need them.
const PIXELS: u32 = 2;
const FONT: &str = "DejaVu Sans";
const INK: RGBColor = RGBColor(45, 52, 60);
const FAINT: RGBColor = RGBColor(226, 230, 234);
const PALE: RGBColor = RGBColor(176, 203, 228);
const TRAIN: RGBColor = RGBColor(31, 105, 170);
const VALID: RGBColor = RGBColor(214, 96, 20);
/// Points of the line of the updates: more could not be told apart.
const MOST_POINTS: usize = 1200;
/// Points of a line that are dots.
const MOST_DOTS: usize = 60;

/// What the curve is drawn over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Axis {
    /// FLOPs of training
    Flops,
    /// Epochs
    Epochs,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Svg,
    Png,
}

/// Refuses a file of another form before the training begins.
pub fn check(path: Option<&Path>) -> Result<(), Failure> {
    path.map_or(Ok(()), |path| form(path).map(|_| ()))
}

fn form(path: &Path) -> Result<Form, Failure> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => Ok(Form::Svg),
        Some("png") => Ok(Form::Png),
        _ => Err(Failure::usage(format!("`{}`: a curve is drawn as .svg or .png; end the name so", path.display()))),
    }
}

/// Draws the curve of a run of the circuit `name` into a file.
pub fn draw(path: &Path, name: &str, axis: Axis, state: &State) -> Result<(), Failure> {
    let Some(lines) = Lines::of(state, axis) else {
        return Err(Failure::usage(format!("`{}`: there is nothing to draw yet", path.display())));
    };
    register();
    let bytes = match form(path)? {
        Form::Svg => svg(name, &lines),
        Form::Png => png(name, &lines),
    };
    let failed = |error: String| Failure::usage(format!("cannot draw `{}`: {error}", path.display()));
    let bytes = bytes.map_err(failed)?;
    files::write(path, |out| out.write_all(&bytes)).map_err(Failure::usage)
}

fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let fonts = [(FontStyle::Normal, dejavu::sans::regular()), (FontStyle::Bold, dejavu::sans::bold())];
        for (style, bytes) in fonts {
            assert!(register_font(FONT, style, bytes).is_ok(), "the font of the program is a font");
        }
    });
}

fn svg(name: &str, lines: &Lines) -> Result<Vec<u8>, String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        paint(&area, name, lines, 1).map_err(|error| error.to_string())?;
    }
    // Where the font is missing, any without serifs will do.
    Ok(text.replace(&format!("font-family=\"{FONT}\""), &format!("font-family=\"{FONT}, sans-serif\"")).into_bytes())
}

fn png(name: &str, lines: &Lines) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("curve.png");
    {
        let area = BitMapBackend::new(&path, (SIZE.0 * PIXELS, SIZE.1 * PIXELS)).into_drawing_area();
        paint(&area, name, lines, PIXELS).map_err(|error| error.to_string())?;
    }
    std::fs::read(&path).map_err(|error| error.to_string())
}

type Point = (f64, f64);

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
struct Lines {
    updates: Vec<Point>,
    epochs: Vec<Point>,
    valid: Vec<Point>,
    best: Option<(Point, String)>,
    horizontal: Range<f64>,
    vertical: Range<f64>,
    label: String,
}

impl Lines {
    /// The lines of a run; none if nothing was measured.
    fn of(state: &State, axis: Axis) -> Option<Lines> {
        let records = &state.records;
        let most = records.iter().map(|record| record.flops).fold(0.0, f64::max);
        let axis = if most > 0.0 { axis } else { Axis::Epochs };
        let (scale, label) = match axis {
            Axis::Epochs => (1.0, "epochs".to_string()),
            Axis::Flops => unit(most),
        };
        let at = |record: &Record| match axis {
            Axis::Flops => record.flops / scale,
            // Rows per epoch are the same for all epochs.
            Axis::Epochs => record.rows as f64 / rows_per_epoch(records),
        };
        let train = |event| -> Vec<Point> {
            let of = records.iter().filter(|record| record.event == event);
            of.filter_map(|record| Some((at(record), record.train?.bits_per_dimension))).collect()
        };
        let valid: Vec<Point> =
            records.iter().filter_map(|record| Some((at(record), record.valid?.bits_per_dimension))).collect();
        let (updates, epochs) = (train(Event::Update), train(Event::Epoch));
        // With one update per epoch the two lines are the same.
        let updates = if updates.len() > epochs.len() { thinned(&updates) } else { Vec::new() };
        let vertical = vertical(&updates, &epochs, &valid)?;
        let end = updates.iter().chain(&epochs).chain(&valid).map(|point| point.0).fold(0.0, f64::max);
        let best = state.best.as_ref().and_then(|best| {
            let record = records.iter().find(|record| record.update == best.update && record.valid.is_some())?;
            let bits = best.measure.bits_per_dimension;
            Some(((at(record), bits), format!("best {bits:.4} in epoch {}", best.epoch)))
        });
        Some(Lines { updates, epochs, valid, best, horizontal: 0.0..end * 1.02, vertical, label })
    }
}

fn rows_per_epoch(records: &[Record]) -> f64 {
    let epoch = records.iter().rev().find(|record| record.event == Event::Epoch);
    let last = epoch.or(records.last());
    last.map_or(1.0, |record| (record.rows as f64 / record.epoch as f64).max(1.0))
}

/// The unit in which so many FLOPs are a number up to 1000, and its name.
fn unit(flops: f64) -> (f64, String) {
    const NAMES: [&str; 8] = ["", "k", "M", "G", "T", "P", "E", "Z"];
    let power = (flops.log10() / 3.0).floor().clamp(0.0, 7.0);
    (10f64.powf(3.0 * power), format!("training cost ({}FLOP)", NAMES[power as usize]))
}

/// Means of neighbors, where there are too many points.
fn thinned(points: &[Point]) -> Vec<Point> {
    let each = points.len().div_ceil(MOST_POINTS);
    let mean = |part: &[Point]| {
        let sum = part.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / part.len() as f64, sum.1 / part.len() as f64)
    };
    points.chunks(each).map(mean).collect()
}

/// The bits that are shown: all epochs and validations, and the updates but for the first tenth.
fn vertical(updates: &[Point], epochs: &[Point], valid: &[Point]) -> Option<Range<f64>> {
    let late = &updates[updates.len() / 10..];
    let shown = late.iter().chain(epochs).chain(valid).map(|point| point.1).filter(|bits| bits.is_finite());
    let (low, high) =
        shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), bits| (low.min(bits), high.max(bits)));
    if low > high {
        return None;
    }
    let margin = ((high - low) * 0.08).max(high.abs() * 0.002).max(1e-6);
    Some((low - margin).max(0.0)..high + margin)
}

type Painted<E> = Result<(), DrawingAreaErrorKind<E>>;
type Area<B> = DrawingArea<B, Shift>;
type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws everything; `pixels` is how many of the area's units are one of the size.
fn paint<B: DrawingBackend>(area: &Area<B>, name: &str, lines: &Lines, pixels: u32) -> Painted<B::ErrorType> {
    let text = |size: u32| (FONT, size * pixels).into_font();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Training of {name}"), text(26).style(FontStyle::Bold).color(&INK))
        .margin_top(18 * pixels)
        .margin_bottom(16 * pixels)
        .margin_left(18 * pixels)
        .margin_right(36 * pixels)
        .x_label_area_size(58 * pixels)
        .y_label_area_size(86 * pixels)
        .build_cartesian_2d(lines.horizontal.clone(), lines.vertical.clone())?;
    let decimals = decimals(&lines.vertical);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(FAINT.stroke_width(pixels))
        .light_line_style(WHITE)
        .axis_style(INK.stroke_width(pixels))
        .set_all_tick_mark_size(5 * pixels)
        .x_labels(9)
        .y_labels(9)
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| format!("{y:.decimals$}"))
        .label_style(text(17).color(&INK))
        .axis_desc_style(text(19).color(&INK))
        .x_desc(&lines.label)
        .y_desc("bits per dimension")
        .draw()?;
    plot(&mut chart, lines, pixels)?;
    if let Some((point, _)) = &lines.best {
        chart.draw_series([Circle::new(*point, 8 * pixels, VALID.stroke_width(2 * pixels))])?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .margin(16 * pixels)
        .legend_area_size(36 * pixels)
        .background_style(WHITE.mix(0.9))
        .border_style(FAINT.stroke_width(pixels))
        .label_font(text(17).color(&INK))
        .draw()?;
    area.present()
}

/// The lines, without what lies above the picture.
fn plot<B: DrawingBackend>(chart: &mut Chart<'_, B>, lines: &Lines, pixels: u32) -> Painted<B::ErrorType> {
    // The number stands in the legend, where no line can run through it.
    let best = lines.best.as_ref().map_or_else(String::new, |(_, label)| format!(", {label}"));
    for (points, color, width, label) in [
        (&lines.updates, PALE, 1, "training, each update".to_string()),
        (&lines.epochs, TRAIN, 3, "training, each epoch".to_string()),
        (&lines.valid, VALID, 3, format!("validation{best}")),
    ] {
        let inside = points.iter().copied().filter(|point| point.1 <= lines.vertical.end);
        let points: Vec<Point> = inside.collect();
        if points.is_empty() {
            continue;
        }
        let style = color.stroke_width(width * pixels);
        let line = chart.draw_series(LineSeries::new(points.clone(), style))?;
        let length = 26 * pixels as i32;
        line.label(label).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + length, y)], style));
        // Dots where they do not run into each other; a point alone is no line.
        if (width > 1 && points.len() <= MOST_DOTS) || points.len() == 1 {
            chart.draw_series(points.iter().map(|point| Circle::new(*point, 4 * pixels, color.filled())))?;
        }
    }
    Ok(())
}

/// Digits after the point that tell the labels of an axis apart.
fn decimals(range: &Range<f64>) -> usize {
    let step = (range.end - range.start) / 10.0;
    (-step.log10()).ceil().clamp(1.0, 6.0) as usize
}

/// A number without needless zeros.
fn short(x: f64) -> String {
    let text = format!("{x:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use danaus_runtime::training::record::{FLOPS_OF_FORWARD, Measure};
    use danaus_runtime::training::state::Best;

    /// A run of 20 epochs of 60 updates that looks like one.
    fn state() -> State {
        let mut state = State::new(vec![]);
        let measure = |bits: f64| Measure { log_likelihood: -bits, bits_per_dimension: bits, impossible: 0 };
        for update in 1..=1200u64 {
            let t = update as f64 / 1200.0;
            let noise = ((update * 7919) % 101) as f64 / 101.0 - 0.5;
            let bits = 1.92 + 2.8 * (-t * 12.0).exp() + 0.25 * (1.0 - t) + 0.06 * noise;
            let epoch = (update - 1) / 60 + 1;
            let record = Record {
                event: Event::Update,
                epoch,
                update,
                rows: update * 128,
                seconds: update as f64,
                flops: FLOPS_OF_FORWARD * 1.1e9 * (update * 128) as f64,
                step: 1.0 - t,
                train: Some(measure(bits)),
                valid: None,
                best: None,
            };
            state.records.push(record.clone());
            if update % 60 == 0 {
                let valid = measure(bits - 0.06 * noise + 0.04 + 0.05 * t * t);
                if state.best.as_ref().is_none_or(|best| valid.improves(&best.measure, 0.0)) {
                    state.best = Some(Best { values: vec![], epoch, update, measure: valid });
                }
                state.records.push(Record { event: Event::Epoch, valid: Some(valid), ..record });
            }
        }
        state
    }

    #[test]
    fn both_forms_are_drawn_and_the_same_every_time() {
        // COVERS: training.curve
        let folder = tempfile::tempdir().unwrap();
        let draw_twice = |name: &str, axis| {
            let path = folder.path().join(name);
            draw(&path, "hmm", axis, &state()).unwrap();
            let first = std::fs::read(&path).unwrap();
            draw(&path, "hmm", axis, &state()).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), first);
            first
        };
        let svg = String::from_utf8(draw_twice("a.svg", Axis::Flops)).unwrap();
        for text in ["Training of hmm", "training cost (TFLOP)", "bits per dimension", "validation, best "] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(String::from_utf8(draw_twice("b.svg", Axis::Epochs)).unwrap().contains("epochs"));
        let png = draw_twice("a.png", Axis::Flops);
        assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000);
    }

    #[test]
    fn a_run_of_nothing_and_of_one_point() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.svg");
        assert!(draw(&path, "hmm", Axis::Flops, &State::new(vec![])).is_err());
        let mut one = state();
        one.records.truncate(1);
        one.best = None;
        draw(&path, "hmm", Axis::Epochs, &one).unwrap();
        assert!(check(Some(Path::new("a.pdf"))).is_err() && check(Some(&path)).is_ok() && check(None).is_ok());
    }

    #[test]
    fn units_are_readable() {
        assert_eq!(unit(2.5e15), (1e15, "training cost (PFLOP)".to_string()));
        assert_eq!(unit(12.0), (1.0, "training cost (FLOP)".to_string()));
        assert_eq!([short(0.25), short(10.0), short(0.0)], ["0.25", "10", "0"]);
        assert_eq!((decimals(&(1.9..2.3)), decimals(&(0.0..40.0))), (2, 1));
    }
}
