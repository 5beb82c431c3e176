//! Phase diagrams. Each pair of levels of the two axes has a cell, coloured by a rate or a median.
//! Each pair of levels of the facets has a panel.

use super::canvas::Canvas;
use super::cells::{DiagramCell, PlotMetric};
use super::font;
use super::heading::Heading;
use super::legend::{Legend, Range};
use super::marks::Marks;
use super::palette::{EMPTY, GRID, PALE_INK, ink_on};
use super::picture::{Anchor, Area, Picture, Text};
use super::plan::{Frame, PhaseAxes, levels};
use super::scale::{self, BandScale};
use super::style::{PAD, TEXT, TICK};
use super::table::{Factor, TrialTable};
use super::words;

/// The metric that is drawn, and the axes over which it is drawn.
pub struct Phase<'a> {
    pub table: &'a TrialTable,
    pub axes: PhaseAxes<'a>,
    pub metric: PlotMetric,
    pub canvas: Canvas,
}

/// The size of labels inside cells, in pixels.
const SMALL: f64 = 10.0;
/// On paper the legend lies below the diagram if cells beside it had fewer pixels than this.
const LEGIBLE: f64 = 16.0;
/// The space between panels, in pixels.
const GAP: f64 = 12.0;
/// If a diagram has more cells than this, they have no words under the pointer: the file would
/// become large.
const MOST_NOTED: usize = 3000;

/// The levels that occur: of the two axes in a panel, and of the two facets.
struct PanelLevels {
    x: Vec<u32>,
    y: Vec<u32>,
    columns: Vec<u32>,
    rows: Vec<u32>,
}

/// Where the panels stand, and the cells within a panel.
struct PanelLayout {
    xs: BandScale,
    ys: BandScale,
    /// How many pixels a label beside the panels may take.
    label: f64,
    /// The left edge of the first panel.
    left: f64,
    top: f64,
    panel_width: f64,
    panel_height: f64,
}

impl PanelLayout {
    fn panel(&self, column: usize, row: usize) -> (f64, f64) {
        (self.left + column as f64 * (self.panel_width + GAP), self.top + row as f64 * (self.panel_height + GAP))
    }

    fn set_rows(&mut self, ys: BandScale) {
        self.panel_height = ys.length;
        self.ys = ys;
    }
}

/// The largest cells with which so many panels fit into a room, in whole pixels; those of 3 pixels
/// if none do.
fn fitting(scale: impl Fn(f64) -> BandScale, panels: usize, room: f64) -> BandScale {
    let fits = |each: &u32| panels as f64 * (scale(f64::from(*each)).length + GAP) - GAP <= room;
    scale(f64::from((3..=60).rev().find(fits).unwrap_or(3)))
}

impl Phase<'_> {
    /// Draws the diagram. `all` are the rows of the whole family: all its pages have the same axes.
    pub fn draw(&self, title: &str, subtitle: &str, cells: &[DiagramCell], all: &[u32]) -> Picture {
        let axis = |factor| levels(factor, all);
        let facets = self.facets();
        let facet = |at: usize| {
            let mut codes: Vec<u32> = cells.iter().map(|cell| facets[at].map_or(0, |at| cell.levels[at])).collect();
            codes.sort_unstable();
            codes.dedup();
            codes
        };
        let grid = PanelLevels { x: axis(self.axes.x), y: axis(self.axes.y), columns: facet(0), rows: facet(1) };
        let values: Vec<Option<f64>> = cells.iter().map(|cell| cell.value(self.table, self.metric)).collect();
        let (range, marks) = (Range::of(self.metric, &values), Marks::of(cells));
        let not_finite = values.iter().flatten().any(|value| !value.is_finite());
        let legend = Legend::new(self.metric, range, not_finite, &marks);
        let side = if self.axes.rows.is_some() { 40.0 } else { 4.0 };
        let beside = 24.0 + legend.width;
        let room = |legend: f64| self.canvas.width().map(|width| width - side - legend - PAD);
        let cells_across = (grid.columns.len() * grid.x.len()) as f64;
        let is_flat = room(beside).is_some_and(|room| room - self.left(&grid) < cells_across * LEGIBLE);
        let beside = if is_flat { 0.0 } else { beside };
        let xs = self.across(&grid, room(beside));
        let mut layout = self.layout(&grid, xs);
        let right = layout.panel(grid.columns.len(), 0).0 - GAP + side;
        let needed = right + beside + PAD;
        let width = needed.max(self.canvas.width().unwrap_or(480.0));
        let heading = Heading::new(title, subtitle, width);
        let strip = if self.axes.columns.is_some() { 40.0 } else { 6.0 };
        layout.top = heading.height + strip;
        let flat = if is_flat { legend.flat_height(width - 2.0 * PAD) + 12.0 } else { 0.0 };
        let room = self.canvas.height().map(|height| height - layout.top - 46.0 - flat - PAD);
        layout.set_rows(self.down(&grid, room));
        let bottom = layout.panel(0, grid.rows.len()).1 - GAP + 46.0;
        let least = if is_flat { 0.0 } else { layout.top + legend.height + 8.0 };
        let height = (bottom + flat).max(least) + PAD;
        let height = height.max(self.canvas.height().unwrap_or(0.0));
        let mut picture = Picture::new(title, self.canvas, width.ceil(), height.ceil());
        heading.draw(&mut picture);
        let sheet = Sheet {
            table: self.table,
            axes: self.axes,
            metric: self.metric,
            layout,
            grid,
            cells,
            values,
            range,
            marks: &marks,
        };
        sheet.draw_cells(&mut picture, facets);
        sheet.draw_axes(&mut picture);
        sheet.draw_strips(&mut picture);
        match is_flat {
            true => legend.draw_flat(&mut picture, PAD, bottom + 12.0, width - 2.0 * PAD),
            false => legend.draw(&mut picture, right + 24.0, sheet.layout.top),
        }
        picture
    }

    /// The widest text of these levels, with some room around it.
    fn widest(factor: Option<&Factor>, levels: &[u32]) -> f64 {
        let texts = factor.into_iter().flat_map(|factor| levels.iter().map(|code| words::at(factor, *code)));
        texts.map(|text| font::width(&text, TEXT) + 6.0).fold(0.0, f64::max)
    }

    /// How many pixels a label beside the panels may take.
    fn label_room(&self) -> f64 {
        self.canvas.width().map_or(180.0, |width| (width / 4.0).min(180.0))
    }

    /// The left edge of the first panel.
    fn left(&self, grid: &PanelLevels) -> f64 {
        (PAD + 24.0 + Self::widest(Some(self.axes.y), &grid.y).min(self.label_room())).round()
    }

    /// The cells of a panel from left to right, where all panels end before `end`. On a screen they
    /// are as large as the page allows, and a panel is never so narrow that its name is cut.
    fn across(&self, grid: &PanelLevels, end: Option<f64>) -> BandScale {
        let (panels, cells) = (grid.columns.len(), grid.x.len());
        let scale = |each: f64| BandScale::new(self.axes.x, &grid.x, each);
        match end {
            None => {
                let names = Self::widest(self.axes.columns, &grid.columns).min(160.0);
                let each = (860.0 / (panels * cells) as f64).clamp(5.0, 44.0).max(names / cells as f64);
                scale(each.floor())
            }
            Some(end) => fitting(scale, panels, end - self.left(grid)),
        }
    }

    /// The cells of a panel from top to bottom, where the panels together have this room. On paper
    /// of any height they take as much as is usual beside the width.
    fn down(&self, grid: &PanelLevels, room: Option<f64>) -> BandScale {
        let (panels, cells) = (grid.rows.len(), grid.y.len());
        let scale = |each: f64| BandScale::new(self.axes.y, &grid.y, each);
        let usual = self.canvas.width().map_or(560.0, |width| (width * 0.6).min(560.0));
        match room {
            None => {
                let names = Self::widest(self.axes.rows, &grid.rows).min(160.0);
                // The name of the axis stands beside all panels, and never beside the heading.
                let title = (font::width(&axis_title(self.axes.y), TEXT + 1.0) + 8.0) / (panels * cells) as f64;
                let each = (usual / (panels * cells) as f64).clamp(5.0, 34.0).max(names / cells as f64);
                scale(each.max(title).ceil())
            }
            Some(room) => fitting(scale, panels, room),
        }
    }

    /// The panels with these cells from left to right. Their rows are not known yet.
    fn layout(&self, grid: &PanelLevels, xs: BandScale) -> PanelLayout {
        let ys = self.down(grid, None);
        let (panel_width, panel_height, left, label) = (xs.length, ys.length, self.left(grid), self.label_room());
        PanelLayout { xs, ys, label, left, top: 0.0, panel_width, panel_height }
    }

    /// At which place in the levels of a cell each facet stands.
    fn facets(&self) -> [Option<usize>; 2] {
        [self.axes.columns.map(|_| 2), self.axes.rows.map(|_| 2 + usize::from(self.axes.columns.is_some()))]
    }
}

/// A diagram whose layout is known.
struct Sheet<'a> {
    table: &'a TrialTable,
    axes: PhaseAxes<'a>,
    metric: PlotMetric,
    layout: PanelLayout,
    grid: PanelLevels,
    cells: &'a [DiagramCell],
    values: Vec<Option<f64>>,
    range: Range,
    marks: &'a Marks,
}

impl Sheet<'_> {
    /// Draws the cells, and a frame around each panel that has cells.
    fn draw_cells(&self, picture: &mut Picture, facets: [Option<usize>; 2]) {
        let Sheet { layout, grid, cells, values, range, marks, .. } = self;
        let by = Frame::Phase(self.axes).by();
        // Either every cell has its value written in it, or none has.
        let narrowest =
            |track: &BandScale| track.spans.iter().map(|(from, to)| to - from).fold(f64::INFINITY, f64::min);
        let widest = values.iter().flatten().map(|value| font::width(&range.text(*value), SMALL)).fold(0.0, f64::max);
        let written = widest + 4.0 <= narrowest(&layout.xs) && narrowest(&layout.ys) >= 15.0;
        let place = |levels: &[u32], code: u32| levels.binary_search(&code).unwrap_or(0);
        let panel_of = |cell: &DiagramCell| {
            let [column, row] = facets.map(|at| at.map_or(0, |at| cell.levels[at]));
            (place(&grid.columns, column), place(&grid.rows, row))
        };
        let mut panels: Vec<(usize, usize)> = cells.iter().map(panel_of).collect();
        panels.sort_unstable();
        panels.dedup();
        for (column, row) in panels {
            let (x, y) = layout.panel(column, row);
            picture.frame(Area::new(x - 0.5, y - 0.5, layout.panel_width + 1.0, layout.panel_height + 1.0), GRID);
        }
        for (cell, value) in cells.iter().zip(values) {
            let (column, row) = panel_of(cell);
            let (left, top) = layout.panel(column, row);
            let (x0, x1) = layout.xs.spans[place(&grid.x, cell.levels[0])];
            // Numbers grow upwards. Names are in order downwards.
            let (y0, y1) = layout.ys.spans[place(&grid.y, cell.levels[1])];
            let below = if self.axes.y.is_numeric() { layout.panel_height - y1 } else { y0 };
            let area = Area::new(left + x0, top + below, x1 - x0, y1 - y0);
            let fill = value.map_or(EMPTY, |value| range.colour(value));
            if cells.len() <= MOST_NOTED {
                picture.noted(area, fill, words::note(self.table, cell, &by, self.metric, *value));
            } else {
                picture.rect(area, fill);
            }
            marks.draw(picture, area, cell);
            if let Some(value) = value.filter(|_| written) {
                let (x, y) = (area.x + area.width / 2.0, area.y + area.height / 2.0 + 3.6);
                let text = Text::new(x, y, range.text(value), SMALL);
                picture.text(text.anchor(Anchor::Middle).colour(ink_on(fill)));
            }
        }
    }

    fn draw_axes(&self, picture: &mut Picture) {
        let Sheet { layout, grid, .. } = self;
        let (columns, rows) = (grid.columns.len(), grid.rows.len());
        let texts =
            |factor: &Factor, codes: &[u32]| codes.iter().map(|code| words::at(factor, *code)).collect::<Vec<_>>();
        let (x_texts, y_texts) = (texts(self.axes.x, &grid.x), texts(self.axes.y, &grid.y));
        let below = layout.panel(0, rows).1 - GAP;
        let gap = (columns > 1).then_some(GAP);
        let ticks = layout.xs.ticks(&x_texts, |text| scale::room(text, TEXT), gap);
        for column in 0..columns {
            let (left, _) = layout.panel(column, 0);
            for (at, text) in &ticks {
                let x = left + at;
                picture.line(vec![(x, below + 1.0), (x, below + 4.0)], TICK);
                picture.text(Text::new(x, below + 16.0, &**text, TEXT).anchor(Anchor::Middle));
            }
        }
        let middle = layout.left + (columns as f64 * (layout.panel_width + GAP) - GAP) / 2.0;
        picture.text(Text::new(middle, below + 36.0, axis_title(self.axes.x), TEXT + 1.0).anchor(Anchor::Middle));
        let ticks = layout.ys.ticks(&y_texts, |_| TEXT + 3.0, (rows > 1).then_some(GAP));
        for row in 0..rows {
            let (left, top) = layout.panel(0, row);
            for (at, text) in &ticks {
                let y = top + if self.axes.y.is_numeric() { layout.panel_height - at } else { *at };
                picture.line(vec![(left - 4.0, y), (left - 1.0, y)], TICK);
                let text = font::fitted(text, TEXT, layout.label);
                picture.text(Text::new(left - 7.0, y + 4.0, text, TEXT).anchor(Anchor::End));
            }
        }
        let middle = layout.top + (rows as f64 * (layout.panel_height + GAP) - GAP) / 2.0;
        let title = font::fitted(&axis_title(self.axes.y), TEXT + 1.0, 2.0 * (middle - layout.top) + 8.0);
        picture.text(Text::new(PAD + 10.0, middle, title, TEXT + 1.0).anchor(Anchor::Middle).upwards());
    }

    fn draw_strips(&self, picture: &mut Picture) {
        let Sheet { layout, grid, .. } = self;
        if let Some(factor) = self.axes.columns {
            let middle = layout.left + (grid.columns.len() as f64 * (layout.panel_width + GAP) - GAP) / 2.0;
            let name = Text::new(middle, layout.top - 24.0, scale::title(factor.name), TEXT);
            picture.text(name.anchor(Anchor::Middle).colour(PALE_INK));
            for (column, code) in grid.columns.iter().enumerate() {
                let x = layout.panel(column, 0).0 + layout.panel_width / 2.0;
                let text = font::fitted(&words::at(factor, *code), TEXT, layout.panel_width + GAP - 4.0);
                picture.text(Text::new(x, layout.top - 7.0, text, TEXT).anchor(Anchor::Middle));
            }
        }
        if let Some(factor) = self.axes.rows {
            let right = layout.panel(grid.columns.len(), 0).0 - GAP;
            let middle = layout.top + (grid.rows.len() as f64 * (layout.panel_height + GAP) - GAP) / 2.0;
            let name = Text::new(right + 34.0, middle, scale::title(factor.name), TEXT);
            picture.text(name.anchor(Anchor::Middle).colour(PALE_INK).upwards());
            for (row, code) in grid.rows.iter().enumerate() {
                let y = layout.panel(0, row).1 + layout.panel_height / 2.0;
                let text = font::fitted(&words::at(factor, *code), TEXT, layout.panel_height + GAP - 4.0);
                picture.text(Text::new(right + 16.0, y, text, TEXT).anchor(Anchor::Middle).upwards());
            }
        }
    }
}

fn axis_title(factor: &Factor) -> String {
    scale::title(factor.name)
}
