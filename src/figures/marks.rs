//! The marks of cells whose trials were lost, are few or have no verdict, and of those that mix
//! configurations which always fail with others which never do.

use super::cells::DiagramCell;
use super::palette::{INK, NAMED, PAPER, shade};
use super::picture::{Area, Picture, Stroke};
use blowup_core::record::Counts;

/// What a mixed cell is.
pub const MIXED: &str = "mixed: some configurations always, others never";

/// Which marks the cells of a diagram have.
pub struct Marks {
    /// A cell has few trials if fewer than this have a verdict. It is half of the median over the
    /// cells.
    few_below: u64,
    few: bool,
    lost: bool,
    none: bool,
    mixed: bool,
}

/// The part of the sides of a mixed cell that its corners take.
const MIXED_PART: f64 = 0.7;

impl Marks {
    /// The marks of these cells.
    pub fn of(cells: &[DiagramCell]) -> Marks {
        let mut sizes: Vec<u64> = cells.iter().map(|cell| cell.counts.verdicts()).collect();
        sizes.sort_unstable();
        let few_below = sizes.get(sizes.len() / 2).map_or(0, |usual| usual.div_ceil(2));
        let mut marks = Marks { few_below, few: false, lost: false, none: false, mixed: false };
        marks.few = cells.iter().any(|cell| marks.is_few(cell));
        marks.lost = cells.iter().any(|cell| cell.counts.lost > 0);
        marks.none = cells.iter().any(|cell| cell.counts.verdicts() == 0);
        marks.mixed = cells.iter().any(|cell| cell.mixed);
        marks
    }

    /// Whether few trials of the cell have a verdict, but at least one has.
    pub fn is_few(&self, cell: &DiagramCell) -> bool {
        (1..self.few_below).contains(&cell.counts.verdicts())
    }

    /// The marks that occur, each as a cell that has it and a text that explains it.
    pub fn listed(&self) -> Vec<(DiagramCell, String)> {
        let cell = |trials: u64, lost: u64| DiagramCell {
            levels: Vec::new(),
            counts: Counts { trials, lost, ..Counts::default() },
            rows: Vec::new(),
            mixed: false,
        };
        let full = self.few_below.max(1);
        let few = if self.few_below == 2 {
            "1 trial with a verdict".to_owned()
        } else {
            format!("fewer than {} trials with a verdict", self.few_below)
        };
        let all = [
            (self.lost, cell(full + 1, 1), "some trials lost".to_owned()),
            (self.few, cell(1, 0), few),
            (self.none, cell(1, 1), "no verdict".to_owned()),
            (self.mixed, DiagramCell { mixed: true, ..cell(full, 0) }, MIXED.to_owned()),
        ];
        all.into_iter().filter(|(there, ..)| *there).map(|(_, cell, text)| (cell, text)).collect()
    }

    /// Draws the marks of a cell: a blue corner where trials were lost, and a stroke across the
    /// lower left corner where few trials have a verdict, or a cross where no trial has one. A
    /// mixed cell has the colour of 0 in its upper left and that of 1 in its lower right corner.
    pub fn draw(&self, picture: &mut Picture, area: Area, cell: &DiagramCell) {
        let stroke = Stroke { colour: INK, width: 1.0, dashed: false };
        if cell.mixed {
            let (width, height) = (area.width * MIXED_PART, area.height * MIXED_PART);
            let Area { x, y, .. } = area;
            picture.polygon(vec![(x, y), (x + width, y), (x, y + height)], shade(0.0));
            let (x, y) = (area.right(), area.bottom());
            picture.polygon(vec![(x, y), (x - width, y), (x, y - height)], shade(1.0));
        }
        if cell.counts.verdicts() == 0 {
            picture.line(vec![(area.x + 2.0, area.y + 2.0), (area.right() - 2.0, area.bottom() - 2.0)], stroke);
            picture.line(vec![(area.x + 2.0, area.bottom() - 2.0), (area.right() - 2.0, area.y + 2.0)], stroke);
        } else if self.is_few(cell) {
            let halo = Stroke { colour: PAPER, width: 3.0, dashed: false };
            let side = (area.width.min(area.height) / 2.0).min(9.0);
            let points = vec![(area.x + 1.0, area.bottom() - side), (area.x + side, area.bottom() - 1.0)];
            picture.line(points.clone(), halo);
            picture.line(points, stroke);
        }
        if cell.counts.lost > 0 {
            let side = (area.width.min(area.height) / 2.0).min(9.0);
            let (x, y) = (area.right(), area.y);
            picture.polygon(vec![(x - side, y), (x, y), (x, y + side)], NAMED[0]);
        }
    }
}
