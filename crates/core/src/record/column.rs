//! What a column of a result file is. Every column is declared once: in `runs` or `sides`, and that
//! of `summary.csv` in `summary::counted`. From the declarations follow the headers, the cells of
//! every row, which columns hold numbers, which of them `[record]` has to ask for, what the report
//! shows, and the tables in docs/results.md.

/// A column, whatever its rows are made of.
#[derive(Debug, Clone, Copy)]
pub struct About {
    pub name: &'static str,
    pub kind: ColumnKind,
    /// The unit of a number, as the documents name it. A text has none.
    pub unit: &'static str,
    /// What the column says, for the documents: sentences without the name.
    pub text: &'static str,
    /// When the cell is empty, for the documents.
    pub empty: &'static str,
    /// Whether it says which of the trial's rows this is, as the epoch and the layer do.
    pub is_key: bool,
    /// Whether it has values only where `[record]` asks for them.
    pub is_recorded: bool,
    /// Whether the report shows it.
    pub is_reported: bool,
}

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

/// A column of a file whose rows are made of a `T` each.
#[derive(Debug)]
pub struct Column<T: 'static> {
    pub about: About,
    pub get: Get<T>,
}

/// How the cell is read from a row. The type that the function returns is the kind of the column.
/// Where it returns none the cell is empty.
#[derive(Debug)]
pub enum Get<T> {
    Text(fn(&T) -> Option<&str>),
    Integer(fn(&T) -> Option<u64>),
    Float(fn(&T) -> Option<f64>),
    Boolean(fn(&T) -> Option<bool>),
}

/// What most columns are.
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

    pub const fn text<T>(self, get: fn(&T) -> Option<&str>) -> Column<T> {
        Column { about: About { kind: ColumnKind::Text, ..self }, get: Get::Text(get) }
    }

    pub const fn integer<T>(self, get: fn(&T) -> Option<u64>) -> Column<T> {
        Column { about: About { kind: ColumnKind::Integer, ..self }, get: Get::Integer(get) }
    }

    pub const fn float<T>(self, get: fn(&T) -> Option<f64>) -> Column<T> {
        Column { about: About { kind: ColumnKind::Float, ..self }, get: Get::Float(get) }
    }

    pub const fn boolean<T>(self, get: fn(&T) -> Option<bool>) -> Column<T> {
        Column { about: About { kind: ColumnKind::Boolean, ..self }, get: Get::Boolean(get) }
    }
}

/// What is said of the columns of a table.
pub fn abouts<T>(columns: &'static [Column<T>]) -> impl Iterator<Item = &'static About> {
    columns.iter().map(|column| &column.about)
}

/// The names of the columns of a table.
pub fn names<T>(columns: &'static [Column<T>]) -> impl Iterator<Item = &'static str> {
    abouts(columns).map(|about| about.name)
}

/// The names of `first` and of the columns of a table behind it. `N` is one more than there are
/// columns in the table.
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
