//! What a column of a result file is. Every column is declared once: in `runs` or `sides`, or, for
//! `summary.csv`, in `summary::counted`. The headers, the cells of every row, the knowledge which
//! columns hold numbers and which ones `[record]` has to ask for, the columns of the report, and
//! the tables in docs/results.md all follow from the declarations.

/// What is known of a column, whatever its rows are made of.
#[derive(Debug, Clone, Copy)]
pub struct About {
    pub name: &'static str,
    pub kind: ColumnKind,
    /// The unit of a number, as the documents name it. A text has none.
    pub unit: &'static str,
    /// What the column says, for the documents: sentences without the column's name.
    pub text: &'static str,
    /// When the cell is empty, for the documents.
    pub empty: &'static str,
    /// Whether the column says which of the trial's rows this is, as the epoch and the layer do.
    pub is_key: bool,
    /// Whether the column has values only where `[record]` asks for them.
    pub is_recorded: bool,
    /// Whether the report shows the column.
    pub is_reported: bool,
}

/// The type of the cells of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Text,
    Integer,
    Float,
    Boolean,
}

impl ColumnKind {
    pub fn name(self) -> &'static str {
        match self {
            ColumnKind::Text => "text",
            ColumnKind::Integer => "integer",
            ColumnKind::Float => "float",
            ColumnKind::Boolean => "boolean",
        }
    }
}

/// A column of a file, each of whose rows is made of a `T`.
#[derive(Debug)]
pub struct Column<T: 'static> {
    pub about: About,
    pub get: Get<T>,
}

/// How the cell is read from a row. The type that the function returns is the kind of the column.
/// Where it returns `None` the cell is empty.
#[derive(Debug)]
pub enum Get<T> {
    Text(fn(&T) -> Option<&str>),
    Integer(fn(&T) -> Option<u64>),
    Float(fn(&T) -> Option<f64>),
    Boolean(fn(&T) -> Option<bool>),
}

/// The usual properties of a column, from which a declaration departs.
pub const PLAIN: About = About {
    name: "",
    kind: ColumnKind::Text,
    unit: "",
    text: "",
    empty: "never",
    is_key: false,
    is_recorded: false,
    is_reported: false,
};

impl About {
    pub fn is_numeric(&self) -> bool {
        match self.kind {
            ColumnKind::Integer | ColumnKind::Float => true,
            ColumnKind::Text | ColumnKind::Boolean => false,
        }
    }

    /// A column of texts.
    pub const fn text<T>(self, get: fn(&T) -> Option<&str>) -> Column<T> {
        Column { about: About { kind: ColumnKind::Text, ..self }, get: Get::Text(get) }
    }

    /// A column of integers.
    pub const fn integer<T>(self, get: fn(&T) -> Option<u64>) -> Column<T> {
        Column { about: About { kind: ColumnKind::Integer, ..self }, get: Get::Integer(get) }
    }

    /// A column of floats.
    pub const fn float<T>(self, get: fn(&T) -> Option<f64>) -> Column<T> {
        Column { about: About { kind: ColumnKind::Float, ..self }, get: Get::Float(get) }
    }

    /// A column of booleans.
    pub const fn boolean<T>(self, get: fn(&T) -> Option<bool>) -> Column<T> {
        Column { about: About { kind: ColumnKind::Boolean, ..self }, get: Get::Boolean(get) }
    }
}

/// What is known of each column of a table.
pub fn abouts<T>(columns: &'static [Column<T>]) -> impl Iterator<Item = &'static About> {
    columns.iter().map(|column| &column.about)
}

/// The names of the columns of a table.
pub fn names<T>(columns: &'static [Column<T>]) -> impl Iterator<Item = &'static str> {
    abouts(columns).map(|about| about.name)
}

/// The name of `first` and, behind it, the names of the columns of a table. `N` is one more than
/// the number of these columns.
pub(super) const fn header<T, const N: usize>(first: &About, columns: &[Column<T>]) -> [&'static str; N] {
    assert!(N == columns.len() + 1);
    let mut names = [first.name; N];
    let mut at = 0;
    while at < columns.len() {
        names[at + 1] = columns[at].about.name;
        at += 1;
    }
    names
}
